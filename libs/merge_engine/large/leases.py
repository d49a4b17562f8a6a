"""Who moves the rows of a large merge, or brings them back: one mover at a time, by a lease on the database's clock.

Every change is made under the lease's token, in the transaction that moves the rows. A mover that was stopped for so
long that somebody else took over finds its token outdated, and changes nothing any more.
"""

import json
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection

from customer_identity.merging import Moved
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.faults import MergeEngineError

PROLONGED = """\
notices = %(notices)s, noticed_at = CASE WHEN notices < %(notices)s THEN clock_timestamp() ELSE noticed_at END,
  problem = NULL, lease_until = clock_timestamp() + %(lasts)s"""
"""What a step notes of a row of work, of a merge or an undo alike: that it goes on, and whether it told of it."""


class LeaseLost(MergeEngineError):  # noqa: N818 - named for what happened
    """Another mover has taken the merge over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to move the rows of one merge, for a while. `key` is the id of the row that says how far it is."""

    key: str
    merge_id: str
    token: int
    lasts: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """A table whose rows are work to be leased: its name, its key, and the condition that a row is still to be done."""

    table: str
    key: str
    under_way: str

    @classmethod
    def merges(cls, compiled: CompiledPlan) -> "Works":
        """Large merges whose rows move."""
        return cls(table=f"{compiled.names.schema}.large_merges", key="merge_id", under_way="state <> 'COMPLETE'")

    @classmethod
    def unmerges(cls, compiled: CompiledPlan) -> "Works":
        """Merges whose rows go back."""
        under_way = "state IN ('RETURNING', 'TURNED_BACK')"
        return cls(table=f"{compiled.names.schema}.large_unmerges", key="unmerge_id", under_way=under_way)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingMerge:
    """A large merge under way, as its row says.

    `root_id` is whom the winner has become. `moved` are figures by table, with what the merge itself moved. `quiet`:
    since the last notice.
    """

    merge_id: str
    tenant_id: str
    command_id: str
    winner_id: str
    root_id: str
    listed: bool
    cursor: int
    last_chunk: int
    rows_total: int
    rows_moved: int
    moved: tuple[Moved, ...]
    notices: int
    quiet: timedelta

    def with_moved(self, *moved: Moved) -> "MovingMerge":
        """The same with more figures."""
        figures = {one.table: one for one in self.moved}
        for more in moved:
            known = figures.get(more.table, Moved(table=more.table, rows=0, collisions=0))
            figures[more.table] = replace(
                known, rows=known.rows + more.rows, collisions=known.collisions + more.collisions
            )
        return replace(self, moved=tuple(figures.values()))


def claim(connection: Connection, works: Works, owner: str, lasts: timedelta) -> Lease | None:
    """Take the oldest merge that nobody is moving; None when there is none. One that is being worked on is skipped."""
    row = connection.exec_driver_sql(
        # Materialized: joined for each row, it would take one after the other, for it skips what it has taken.
        f"""
WITH free AS MATERIALIZED (
  SELECT {works.key} FROM {works.table}
  WHERE {works.under_way} AND lease_until < clock_timestamp()
  ORDER BY started_at LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE {works.table} l
SET owner = %(owner)s, token = l.token + 1, lease_until = clock_timestamp() + %(lasts)s
FROM free WHERE l.{works.key} = free.{works.key} RETURNING l.{works.key}::text, l.merge_id::text, l.token""",
        {"owner": owner, "lasts": lasts},
    ).one_or_none()
    return None if row is None else Lease(key=row[0], merge_id=row[1], token=row[2], lasts=lasts)


def hold(connection: Connection, compiled: CompiledPlan, lease: Lease) -> MovingMerge:
    """Lock the merge's row for this transaction. Raises LeaseLost."""
    schema = compiled.names.schema
    row = connection.exec_driver_sql(
        f"""
SELECT l.merge_id::text, l.tenant_id, l.command_id, m.winner_id, coalesce(k.canonical_id, m.winner_id),
  l.state <> 'LISTING', l.cursor, l.last_chunk, l.rows_total, l.rows_moved, l.moved::text, l.notices,
  clock_timestamp() - l.noticed_at
FROM {schema}.large_merges l JOIN {schema}.merges m USING (merge_id)
LEFT JOIN {schema}.canonical k ON k.tenant_id = m.tenant_id AND k.customer_id = m.winner_id
WHERE l.merge_id = %(merge_id)s::uuid AND l.token = %(token)s AND l.state <> 'COMPLETE' FOR UPDATE OF l""",
        {"merge_id": lease.merge_id, "token": lease.token},
    ).one_or_none()
    if row is None:
        raise LeaseLost(f"merge {lease.merge_id} is moved by somebody else now, or has been")
    return MovingMerge(
        merge_id=row[0],
        tenant_id=row[1],
        command_id=row[2],
        winner_id=row[3],
        root_id=row[4],
        listed=row[5],
        cursor=row[6],
        last_chunk=row[7],
        rows_total=row[8],
        rows_moved=row[9],
        moved=tuple(Moved(**figures) for figures in json.loads(row[10])),
        notices=row[11],
        quiet=row[12],
    )


def keep(connection: Connection, compiled: CompiledPlan, lease: Lease, merge: MovingMerge, *, complete: bool) -> str:
    """Write how far the merge is, in the transaction that brought it there, and prolong the lease.

    Answers whom the winner has become by now.
    """
    schema = compiled.names.schema
    root_id: str = connection.exec_driver_sql(
        f"""
UPDATE {schema}.large_merges l
SET state = CASE WHEN %(complete)s THEN 'COMPLETE' WHEN %(listed)s THEN 'MOVING' ELSE state END,
  cursor = %(cursor)s, last_chunk = %(last_chunk)s, rows_total = %(rows_total)s, rows_moved = %(rows_moved)s,
  moved = %(moved)s::text::jsonb, {PROLONGED},
  completed_at = CASE WHEN %(complete)s THEN clock_timestamp() END
WHERE merge_id = %(merge_id)s::uuid
RETURNING coalesce((SELECT k.canonical_id FROM {schema}.canonical k
                    WHERE k.tenant_id = l.tenant_id AND k.customer_id = %(winner)s), %(winner)s)""",
        {
            "merge_id": merge.merge_id,
            "winner": merge.winner_id,
            "complete": complete,
            "listed": merge.listed,
            "cursor": merge.cursor,
            "last_chunk": merge.last_chunk,
            "rows_total": merge.rows_total,
            "rows_moved": merge.rows_moved,
            "moved": figures(merge.moved),
            "notices": merge.notices,
            "lasts": lease.lasts,
        },
    ).scalar_one()
    return root_id


def release(connection: Connection, works: Works, lease: Lease, *, after: timedelta, problem: str | None) -> None:
    """Let another mover have the merge, at once or after a while; `problem` says why it could not go on."""
    connection.exec_driver_sql(
        f"""
UPDATE {works.table}
SET lease_until = clock_timestamp() + %(after)s, problem = coalesce(%(problem)s::text, problem)
WHERE {works.key} = %(key)s::uuid AND token = %(token)s""",
        {"key": lease.key, "token": lease.token, "after": after, "problem": problem},
    )


def figures(moved: tuple[Moved, ...]) -> str:
    """Figures by table, as the merge's row keeps them."""
    return json.dumps([{"table": one.table, "rows": one.rows, "collisions": one.collisions} for one in moved])
