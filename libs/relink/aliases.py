"""The alias table: where every retired id leads, in the subscriber's own schema.

It stores what was announced, newest version per id, and resolves chains when it is read. So what it
answers depends only on the set of announcements that arrived, never on their order or number. Of an id that
was erased it keeps the id alone, so that an announcement that comes late brings nothing back.
"""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import Connection, text

from event_runtime.identifiers import quoted
from relink.redirection import Redirection


def relink_ddl_v1(schema: str) -> list[str]:
    """The statements that create this library's tables in `schema`: aliases, and three that begin with relink_."""
    name = quoted(schema)
    return [
        f"""
        CREATE TABLE {name}.aliases (
            tenant_id text NOT NULL,
            customer_id text NOT NULL,
            canonical_id text NOT NULL,
            version bigint NOT NULL CHECK (version > 0),
            merge_id text NOT NULL,
            changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant_id, customer_id)
        ) WITH (fillfactor = 85)
        """,
        f"CREATE INDEX aliases_canonical ON {name}.aliases (tenant_id, canonical_id)",
        f"""
        CREATE TABLE {name}.relink_erased (
            tenant_id text NOT NULL,
            customer_id text NOT NULL,
            erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant_id, customer_id)
        )
        """,
        f"""
        CREATE TABLE {name}.relink_streams (
            stream integer PRIMARY KEY,
            last_sequence bigint NOT NULL,
            changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
        ) WITH (fillfactor = 20)
        """,
        f"""
        CREATE TABLE {name}.relink_gaps (
            stream integer NOT NULL,
            first_sequence bigint NOT NULL,
            last_sequence bigint NOT NULL,
            noticed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (stream, first_sequence),
            CHECK (first_sequence <= last_sequence)
        )
        """,
    ]


class AliasTable:
    """Looks ids up, and takes announcements in; every method runs in the caller's transaction."""

    def __init__(self, schema: str) -> None:
        """For the tables that `relink_ddl_v1(schema)` made."""
        table, erased = f"{quoted(schema)}.aliases", f"{quoted(schema)}.relink_erased"
        self._announce = text(_ANNOUNCE.format(table=table, erased=erased))
        self._forget = text(_FORGET.format(table=table, erased=erased))
        self._affected = text(_AFFECTED.format(table=table))
        self._resolve = text(_RESOLVE.format(table=table))
        self._rows = text(_ROWS.format(table=table))
        self._all = text(f"SELECT tenant_id, customer_id, canonical_id, version FROM {table} ORDER BY 1, 2")

    def resolve(self, connection: Connection, tenant_id: str, ids: Collection[str]) -> dict[str, str]:
        """Where each id leads now; an id that was never redirected answers itself."""
        if not ids:
            return {}
        found = connection.execute(self._resolve, {"tenant_id": tenant_id, "ids": sorted(set(ids))})
        return {row.customer_id: row.canonical_id for row in found}

    def all(self, connection: Connection) -> Iterator[tuple[str, str, str, int]]:
        """Every alias as announced: tenant, id, canonical id, version; in order of tenant and id."""
        for row in connection.execute(self._all):
            yield row.tenant_id, row.customer_id, row.canonical_id, row.version

    def forget(self, connection: Connection, tenant_id: str, ids: Collection[str]) -> None:
        """Drop every alias of these ids, and take in none of them ever again: they were erased."""
        connection.execute(self._forget, {"tenant_id": tenant_id, "ids": sorted(set(ids))})

    def announce(self, connection: Connection, redirects: Sequence[Redirection]) -> list[Redirection]:
        """Take in what is newer than the version held, per id; return every id whose answer may have changed.

        Those are the ids taken in and all that lead to them, each with its resolved answer. The redirects of
        one call belong to one tenant.
        """
        newest = {redirect.customer_id: redirect for redirect in sorted(redirects, key=_by_version)}
        if not newest:
            return []
        (tenant_id,) = {redirect.tenant_id for redirect in redirects}
        ordered = [newest[customer_id] for customer_id in sorted(newest)]  # one lock order for all subscribers
        changed = connection.execute(
            self._announce,
            {
                "tenant_id": tenant_id,
                "ids": [redirect.customer_id for redirect in ordered],
                "canonical_ids": [redirect.canonical_id for redirect in ordered],
                "versions": [redirect.version for redirect in ordered],
                "merge_ids": [redirect.merge_id for redirect in ordered],
            },
        )
        taken = sorted(row.customer_id for row in changed)
        return self._answers(connection, tenant_id, taken) if taken else []

    def _answers(self, connection: Connection, tenant_id: str, ids: list[str]) -> list[Redirection]:
        leading_here = connection.execute(self._affected, {"tenant_id": tenant_id, "ids": ids})
        affected = sorted(row.customer_id for row in leading_here)
        answers = self.resolve(connection, tenant_id, affected)
        rows = connection.execute(self._rows, {"tenant_id": tenant_id, "ids": affected})
        return [
            Redirection(
                tenant_id=tenant_id,
                customer_id=row.customer_id,
                canonical_id=answers[row.customer_id],
                version=row.version,
                merge_id=row.merge_id,
            )
            for row in rows
        ]


def _by_version(redirect: Redirection) -> int:
    return redirect.version


_ANNOUNCE = """
INSERT INTO {table} AS held (tenant_id, customer_id, canonical_id, version, merge_id)
SELECT :tenant_id, customer_id, canonical_id, version, merge_id
  FROM unnest(CAST(:ids AS text[]), CAST(:canonical_ids AS text[]), CAST(:versions AS bigint[]),
              CAST(:merge_ids AS text[])) AS announced (customer_id, canonical_id, version, merge_id)
 WHERE NOT EXISTS (SELECT FROM {erased} e WHERE e.tenant_id = :tenant_id AND e.customer_id = announced.customer_id)
    ON CONFLICT (tenant_id, customer_id) DO UPDATE
   SET canonical_id = excluded.canonical_id, version = excluded.version, merge_id = excluded.merge_id,
       changed_at = clock_timestamp()
 WHERE held.version < excluded.version
RETURNING customer_id
"""

_FORGET = """
WITH noted AS (
    INSERT INTO {erased} (tenant_id, customer_id)
    SELECT :tenant_id, unnest(CAST(:ids AS text[])) ON CONFLICT DO NOTHING)
DELETE FROM {table} WHERE tenant_id = :tenant_id AND customer_id = ANY (CAST(:ids AS text[]))
"""

# UNION (not UNION ALL) drops what was seen, so a loop in half-arrived announcements ends.
_AFFECTED = """
WITH RECURSIVE lead_here (customer_id) AS (
    SELECT unnest(CAST(:ids AS text[]))
     UNION
    SELECT a.customer_id FROM {table} a JOIN lead_here l ON a.canonical_id = l.customer_id
     WHERE a.tenant_id = :tenant_id
)
SELECT customer_id FROM lead_here
"""

# Follows announcements to the end, or to where a path would meet itself: an id that leads to itself is an
# end, and so is a loop while only a part of the announcements that make it has arrived.
_RESOLVE = """
WITH RECURSIVE chain (customer_id, here, path) AS (
    SELECT asked, asked, ARRAY[asked] FROM unnest(CAST(:ids AS text[])) AS asked
     UNION ALL
    SELECT c.customer_id, a.canonical_id, c.path || a.canonical_id
      FROM chain c JOIN {table} a ON a.tenant_id = :tenant_id AND a.customer_id = c.here
     WHERE a.canonical_id <> ALL (c.path)
)
SELECT DISTINCT ON (customer_id) customer_id, here AS canonical_id
  FROM chain ORDER BY customer_id, cardinality(path) DESC
"""

_ROWS = """
SELECT customer_id, version, merge_id FROM {table}
 WHERE tenant_id = :tenant_id AND customer_id = ANY (CAST(:ids AS text[])) ORDER BY customer_id
"""
