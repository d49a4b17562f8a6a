"""The index of records in PostgreSQL: what the matcher asks, each in one statement a batch."""

import json
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, text

from customer_identity.blocking import Key
from customer_identity.matching.index import Entry
from customer_identity.normalise.record import NormalisedRecord

_ENTRIES = text("""
    SELECT number, tenant_id, customer_id, version, source, comparable FROM detector.records
    WHERE number = ANY(CAST(:numbers AS bigint[])) AND comparable IS NOT NULL
""")
_ENTRIES_BY_ID = text("""
    SELECT r.number, r.tenant_id, r.customer_id, r.version, r.source, r.comparable
    FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, customer_id)
    JOIN detector.records r USING (tenant_id, customer_id)
    WHERE r.comparable IS NOT NULL ORDER BY r.number
""")
# In the order in which `record_tables` locks them to store new versions, so that the two wait and do not deadlock.
_HOLD = text("""
    SELECT r.number, r.tenant_id, r.customer_id, r.version, r.source, r.comparable
    FROM detector.records r
    JOIN unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, customer_id)
        USING (tenant_id, customer_id)
    WHERE r.comparable IS NOT NULL ORDER BY r.tenant_id, r.customer_id FOR SHARE OF r
""")
_COUNTS = text("SELECT code, held FROM detector.counters WHERE code = ANY(CAST(:codes AS bigint[])) AND held > 0")
_CONTESTED = text("SELECT code FROM detector.contested WHERE code = ANY(CAST(:codes AS bigint[]))")
_CONTEST = text("""
    INSERT INTO detector.contested (code) SELECT code FROM unnest(CAST(:codes AS bigint[])) AS t (code) ORDER BY code
    ON CONFLICT DO NOTHING
""")
_ADD_COUNTS = text("""
    INSERT INTO detector.counters AS c (code, held)
    SELECT code, more FROM unnest(CAST(:codes AS bigint[]), CAST(:more AS bigint[])) AS t (code, more) ORDER BY code
    ON CONFLICT (code) DO UPDATE SET held = c.held + excluded.held
""")


class PostgresIndex:
    """The matcher's index (customer_identity.matching.index.Index) over one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def holders(self, keys: Iterable[Key]) -> Mapping[int, Sequence[int]]:
        """See Index. A key's postings are read no further than shows that it is too common."""
        by_cap: dict[int, list[int]] = {}
        for key in keys:
            by_cap.setdefault(key.cap, []).append(key.code)
        if not by_cap:
            return {}
        parts = [
            f"SELECT k.code, p.number FROM unnest(CAST(:codes_{cap} AS bigint[])) AS k (code) CROSS JOIN LATERAL "
            f"(SELECT number FROM detector.postings WHERE code = k.code LIMIT {cap + 2}) AS p"
            for cap in sorted(by_cap)
        ]
        rows = self._connection.execute(
            text(" UNION ALL ".join(parts)), {f"codes_{cap}": codes for cap, codes in by_cap.items()}
        )
        out: dict[int, list[int]] = {}
        for code, number in rows:
            out.setdefault(code, []).append(number)
        return out

    def entries(self, numbers: Iterable[int]) -> Mapping[int, Entry]:
        """See Index."""
        rows = self._connection.execute(_ENTRIES, {"numbers": list(numbers)})
        return {row.number: entry_of(*row) for row in rows}

    def entries_of(self, customers: Iterable[tuple[str, str]]) -> list[Entry]:
        """The indexed records of (tenant, customer id)s, by number; unknown and erased ones are left out."""
        wanted = sorted(set(customers))
        rows = self._connection.execute(
            _ENTRIES_BY_ID, {"tenants": [tenant for tenant, _ in wanted], "ids": [one for _, one in wanted]}
        )
        return [entry_of(*row) for row in rows]

    def hold(self, customers: Iterable[tuple[str, str]]) -> Mapping[int, Entry]:
        """The records of (tenant, customer id)s by number, as nobody else changes them before this transaction ends.

        They are the newest committed ones, whatever was read before; unknown and erased ones are left out.
        """
        wanted = sorted(set(customers))
        if not wanted:
            return {}
        rows = self._connection.execute(
            _HOLD, {"tenants": [tenant for tenant, _ in wanted], "ids": [one for _, one in wanted]}
        )
        return {row.number: entry_of(*row) for row in rows}

    def counts(self, codes: Iterable[int]) -> Mapping[int, int]:
        """See Index."""
        rows = self._connection.execute(_COUNTS, {"codes": list(codes)})
        return {row.code: row.held for row in rows}

    def contested(self, identifiers: Iterable[int]) -> set[int]:
        """See Index."""
        return set(self._connection.execute(_CONTESTED, {"codes": list(identifiers)}).scalars())

    def contest(self, identifiers: Iterable[int]) -> None:
        """See Index."""
        if codes := sorted(identifiers):
            self._connection.execute(_CONTEST, {"codes": codes})

    def add_counts(self, more: Mapping[int, int]) -> None:
        """Adds to counters. Call it last: busy counters are rows that every worker of a tenant waits for."""
        changed = sorted((code, amount) for code, amount in more.items() if amount)
        if changed:
            self._connection.execute(
                _ADD_COUNTS, {"codes": [code for code, _ in changed], "more": [amount for _, amount in changed]}
            )


def entry_of(  # noqa: PLR0917 - the columns of a row, in its order
    number: int, tenant_id: str, customer_id: str, version: int, source: str, comparable: str
) -> Entry:
    """An entry from its row."""
    return Entry(
        number=number,
        tenant_id=tenant_id,
        customer_id=customer_id,
        version=version,
        source=source,
        record=NormalisedRecord(*json.loads(comparable)),
    )


def comparable_of(record: NormalisedRecord) -> str:
    """A record as its row holds it."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))
