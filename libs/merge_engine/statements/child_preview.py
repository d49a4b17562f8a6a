"""What would move in a table that names customers in several columns, where the entries of the plan meet the same rows.

The entries before the one that is counted are played through on a copy of the rows that the merge concerns, exactly as
the statements of the merge would change them.
"""

from collections.abc import Sequence

from merge_engine.plan_file import Plan, Repoint, RepointUnique
from merge_engine.statements.child_choices import MEMBERS, chosen_away
from merge_engine.statements.child_ranking import comparable, preference
from merge_engine.statements.child_self import connects
from merge_engine.statements.names import Names, identifier, literal
from merge_engine.statements.owners import ChildRows

_Moved = Repoint | RepointUnique


def entries_that_meet(child: _Moved, plan: Plan) -> list[_Moved]:
    """The entries of the same table up to this one; none when nothing that they do depends on each other."""
    entries = [
        entry for entry in plan.children if entry.table == child.table and isinstance(entry, Repoint | RepointUnique)
    ]
    depends = any(
        isinstance(entry, RepointUnique) or entry.choosable or entry.to_itself == "remove" for entry in entries
    )
    return entries[: entries.index(child) + 1] if depends and len(entries) > 1 else []


def count_played(entries: Sequence[_Moved], plan: Plan, names: Names) -> str:
    """Answers (merge_id, moved, put aside) of the last of these entries; one merge at a time."""
    rows = ChildRows.of(entries[-1], names)
    concerned = "\n  UNION ".join(
        f"SELECT to_jsonb(c) FROM p JOIN {rows.rows} c ON {entry.owned('c', 'p.tenant_id', 'p.owner_id')}"
        for entry in (ChildRows.of(child, names) for child in plan.children if child.table == rows.name)
    )
    stages = ",\n".join(_stage(place, entry, plan, names) for place, entry in enumerate(entries, start=1))
    last = f"r{len(entries)}"
    return f"""
WITH {names.pairs()},
{MEMBERS},
v0(image) AS (
  {concerned}),
{stages}
SELECT merge_id::text, count(*) FILTER (WHERE moves), count(*) FILTER (WHERE goes) FROM {last}
WHERE merge_id IS NOT NULL GROUP BY merge_id"""


def _stage(place: int, child: _Moved, plan: Plan, names: Names) -> str:
    """One entry, played on what the one before left: `moves` and `goes` say what becomes of a row."""
    rows = ChildRows.of(child, names)
    ranked = isinstance(child, RepointUnique) and child.collision.policy != "block"
    unique = "".join(f", c.{identifier(column)}" for column in child.unique) if isinstance(child, RepointUnique) else ""
    order = f"{preference(child)}p.position{rows.order('c')}" if isinstance(child, RepointUnique) else "p.position"
    competes = comparable(child) if isinstance(child, RepointUnique) and ranked else "FALSE"
    stays = isinstance(child, RepointUnique) and child.collision.losing_rows == "keep_on_loser"
    away = chosen_away(child, rows, "c", "p") if child.choosable else "FALSE"
    itself = connects(child, rows, plan, names, "p") if child.to_itself == "remove" else "FALSE"
    row = f"CROSS JOIN LATERAL jsonb_populate_record(NULL::{rows.rows}, v.image) c"
    winner = f"jsonb_build_object({literal(rows.key_name)}, {rows.of_type('winner_id')})"
    return f"""s{place} AS (
  SELECT v.image, p.*, p.merge_id IS NOT NULL AND ({away} OR (p.position > 0 AND {itself})) AS goes_first
  FROM v{place - 1} v {row} LEFT JOIN p ON {rows.owned("c", "p.tenant_id", "p.owner_id")}),
n{place} AS (
  SELECT p.*, p.merge_id IS NOT NULL AND NOT p.goes_first AND {competes} AND row_number() OVER (
    PARTITION BY p.merge_id, p.goes_first, {competes}{unique} ORDER BY {order}) > 1 AS loses
  FROM s{place} p {row.replace("v.image", "p.image")}),
r{place} AS (
  SELECT p.*, p.position > 0 AND NOT goes_first AND NOT loses AS moves, goes_first OR loses AS goes FROM n{place} p),
v{place} AS (
  SELECT CASE WHEN moves THEN image || {winner} ELSE image END AS image FROM r{place}
  WHERE NOT goes{" OR (loses AND position > 0)" if stays else ""})"""
