"""Rows that go from a loser to the winner, or to the facilitator of the order."""

from merge_engine.plan_file import Plan, Repoint, RepointUnique
from merge_engine.statements.child_choices import chosen_away
from merge_engine.statements.names import Names, identifier, literal
from merge_engine.statements.owners import ChildRows

Moved = Repoint | RepointUnique


def move(child: Moved, rows: ChildRows, plan: Plan, names: Names) -> str:
    """Answers (merge_id, n), or a row for each external id."""
    flag = child.one_flagged if isinstance(child, RepointUnique) else None
    if flag is not None or child.refresh:
        return _move_and_change(child, flag, rows, plan, names)
    facilitated = isinstance(child, Repoint) and child.facilitator
    external = child.external_id if isinstance(child, Repoint) else None
    if not facilitated and external is None:
        return _move_only(child, rows, plan, names)
    ids = (
        f", c.{identifier(external.system)}::text AS system, c.{identifier(external.id)}::text AS id"
        if external
        else ""
    )
    return f"""
WITH {names.pairs(facilitators=facilitated)},
u AS (
  UPDATE {rows.rows} c SET {_to_winner("t", rows, plan, names)} FROM t
  WHERE {rows.owned("c", "t.tenant_id", "t.loser_id")}{not_kept(child, rows, names)}
  RETURNING t.*, {rows.id_text("c")} AS row_id{ids}),
{_journal(rows, names) if not facilitated else _journal_facilitated(rows, names)}
{_ANNOUNCED if external else _COUNTED}"""


def refresh_winner(child: Moved, rows: ChildRows, names: Names) -> str:
    """Copies of a winner's field in the winner's own rows follow the field that the merge writes."""
    changed = " OR ".join(
        f"(b.was_{place} IS NOT DISTINCT FROM b.old_{place} AND b.old_{place} IS DISTINCT FROM b.now_{place})"
        for place in range(len(child.refresh))
    )
    kept = "".join(
        f", CASE WHEN b.was_{place} IS NOT DISTINCT FROM b.old_{place} THEN b.now_{place} ELSE b.was_{place} END"
        f" AS to_{place}"
        for place in range(len(child.refresh))
    )
    assigned = ", ".join(f"{identifier(column)} = f.to_{place}" for place, column in enumerate(child.refresh))
    return f"""
WITH {names.pairs(patches=True)},
w AS (SELECT DISTINCT merge_id, tenant_id, winner_id, patch FROM t WHERE patch <> '{{}}'),
b AS (
  SELECT w.merge_id, w.tenant_id, w.winner_id, {rows.id_text("c")} AS row_id
    {rows.id_columns("c")}{_copies(child, names)}
  FROM w JOIN {names.customers} o ON {names.match("o", "w.tenant_id", "w.winner_id")}
  CROSS JOIN LATERAL jsonb_populate_record(o, w.patch) n
  JOIN {rows.rows} c ON {rows.owned("c", "w.tenant_id", "w.winner_id")}),
f AS (SELECT b.*{kept} FROM b WHERE {changed}),
u AS (
  UPDATE {rows.rows} c SET {assigned} FROM f
  WHERE {rows.same_id("c", "f")} AND {rows.owned("c", "f.tenant_id", "f.winner_id")}
  RETURNING f.*),
j AS ({_journal_refreshed(child, rows, names, "winner_id")})
SELECT merge_id::text, count(*) FROM u GROUP BY merge_id"""


def count_all(child: Moved, rows: ChildRows, names: Names) -> str:
    """Answers (merge_id, moved, put aside) of a table whose rows cannot collide."""
    away = chosen_away(child, rows, "c", "p") if child.choosable else "FALSE"
    winner = "UNION ALL SELECT DISTINCT merge_id, tenant_id, winner_id, winner_id, 0 FROM t" if child.choosable else ""
    return f"""
WITH {names.pairs()},
p AS (SELECT merge_id, tenant_id, winner_id, loser_id AS owner_id, position FROM t {winner})
SELECT p.merge_id::text, count(*) FILTER (WHERE p.position > 0 AND NOT {away}), count(*) FILTER (WHERE {away}) FROM p
JOIN {rows.rows} c ON {rows.owned("c", "p.tenant_id", "p.owner_id")} GROUP BY p.merge_id"""


def not_kept(child: Moved, rows: ChildRows, names: Names) -> str:
    """Rows that lost a collision and stay on their loser do not move."""
    if not (isinstance(child, RepointUnique) and child.collision.losing_rows == "keep_on_loser"):
        return ""
    return f" AND NOT {rows.journalled(names.schema, 'c', 't.merge_id', 't.loser_id::text', 'KEPT')}"


_MOVED = "merge_id, tenant_id::text, loser_id::text, array_agg(row_id), NULL::jsonb"
_COUNTED = "SELECT merge_id::text, count(*) FROM u GROUP BY merge_id"
_ANNOUNCED = "SELECT merge_id::text, 1, loser_id::text, winner_id::text, system, id FROM u"


def _move_only(child: Moved, rows: ChildRows, plan: Plan, names: Names) -> str:
    """The rows are gathered once, for the journal and for the answer: most of what a merge moves comes this way."""
    journal = names.journal(
        rows.journal_name(), "MOVED", "merge_id, tenant_id::text, loser_id::text, row_ids, NULL::jsonb", "g"
    )
    return f"""
WITH {names.pairs()},
u AS (
  UPDATE {rows.rows} c SET {_to_winner("t", rows, plan, names)} FROM t
  WHERE {rows.owned("c", "t.tenant_id", "t.loser_id")}{not_kept(child, rows, names)}
  RETURNING t.merge_id, t.tenant_id, t.loser_id, {rows.id_text("c")} AS row_id),
g AS (
  SELECT merge_id, tenant_id, loser_id, array_agg(row_id) AS row_ids FROM u GROUP BY merge_id, tenant_id, loser_id),
j AS ({journal})
SELECT merge_id::text, cardinality(row_ids) FROM g"""


def _journal(rows: ChildRows, names: Names) -> str:
    return f"j AS ({names.journal(rows.journal_name(), 'MOVED', _MOVED, 'u GROUP BY merge_id, tenant_id, loser_id')})"


def _journal_facilitated(rows: ChildRows, names: Names) -> str:
    """Rows that went to somebody else than the winner say to whom."""
    handed = (
        "merge_id, tenant_id::text, loser_id::text, array_agg(row_id), jsonb_build_object('to', min(winner_id::text))"
    )
    groups = "GROUP BY merge_id, tenant_id, loser_id"
    own = names.journal(rows.journal_name(), "MOVED", _MOVED, f"u WHERE winner_id = merge_winner_id {groups}")
    others = names.journal(rows.journal_name(), "HANDED_OVER", handed, f"u WHERE winner_id <> merge_winner_id {groups}")
    return f"j AS ({own}),\nh AS ({others})"


def _move_and_change(child: Moved, flag: str | None, rows: ChildRows, plan: Plan, names: Names) -> str:
    """Move, and change the rows with it: copies of the winner's fields, and a flag that only one row may have."""
    flagged = "" if flag is None else _flags(flag, rows)
    copies = "" if not child.refresh else f"{_copies(child, names)}"
    winner = (
        f"""
  LEFT JOIN {names.customers} o ON {names.match("o", "t.tenant_id", "t.winner_id")}
  LEFT JOIN LATERAL jsonb_populate_record(o, t.patch) n ON TRUE"""
        if child.refresh
        else ""
    )
    assigned = "" if flag is None else f", {identifier(flag)} = f.stays"
    # A winner that is gone itself (it was merged on, and deleted) has nothing to copy.
    assigned += "".join(
        f", {identifier(column)} = CASE WHEN f.is_there THEN f.now_{place} ELSE f.was_{place} END"
        for place, column in enumerate(child.refresh)
    )
    before = (
        "NULL::jsonb"
        if flag is None
        else (f"jsonb_object_agg(row_id, jsonb_build_object({literal(flag)}, true)) FILTER (WHERE was AND NOT stays)")
    )
    moved = f"merge_id, tenant_id::text, loser_id::text, array_agg(row_id), {before}"
    refreshed = "" if not child.refresh else f",\nk AS ({_journal_refreshed(child, rows, names, 'loser_id')})"
    return f"""
WITH {names.pairs(patches=bool(child.refresh))},
f AS (
  SELECT t.*, {rows.id_text("c")} AS row_id{rows.id_columns("c")}{flagged}{copies}
  FROM t JOIN {rows.rows} c ON {rows.owned("c", "t.tenant_id", "t.loser_id")}{not_kept(child, rows, names)}{winner}),
u AS (
  UPDATE {rows.rows} c SET {_to_winner("f", rows, plan, names)}{assigned} FROM f
  WHERE {rows.same_id("c", "f")} AND {rows.owned("c", "f.tenant_id", "f.loser_id")}
  RETURNING f.*),
j AS ({names.journal(rows.journal_name(), "MOVED", moved, "u GROUP BY merge_id, tenant_id, loser_id")}){refreshed}
{_COUNTED}"""


def _flags(flag: str, rows: ChildRows) -> str:
    """At most one row of the winner keeps the flag: the winner's own before a loser's."""
    flagged = identifier(flag)
    return f""", c.{flagged} AS was, c.{flagged}
    AND row_number() OVER (PARTITION BY t.merge_id ORDER BY c.{flagged} DESC, t.position{rows.order("c")}) = 1
    AND NOT EXISTS (SELECT 1 FROM {rows.rows} w
                    WHERE {rows.owned("w", "t.tenant_id", "t.winner_id")} AND w.{flagged}) AS stays"""


def _copies(child: Moved, names: Names) -> str:
    """For each copied column: what the row holds, what the winner held, and what the winner will hold."""
    columns = "".join(
        f", c.{identifier(column)} AS was_{place}, o.{identifier(field)} AS old_{place}"
        f", n.{identifier(field)} AS now_{place}"
        for place, (column, field) in enumerate(child.refresh.items())
    )
    return f", o.{names.key} IS NOT NULL AS is_there{columns}"


def _journal_refreshed(child: Moved, rows: ChildRows, names: Names, owner: str) -> str:
    """`before` is {wrote, rows}: what all rows hold now, and what each held."""
    wrote = ", ".join(f"{literal(column)}, (array_agg(now_{place}))[1]" for place, column in enumerate(child.refresh))
    was = ", ".join(f"{literal(column)}, was_{place}" for place, column in enumerate(child.refresh))
    columns = (
        f"merge_id, tenant_id::text, {owner}::text, array_agg(row_id), jsonb_build_object("
        f"'wrote', jsonb_build_object({wrote}), 'rows', jsonb_object_agg(row_id, jsonb_build_object({was})))"
    )
    source = f"u WHERE is_there GROUP BY merge_id, tenant_id, {owner}"
    return names.journal(rows.journal_name(), "REFRESHED", columns, source)


def _to_winner(source: str, rows: ChildRows, plan: Plan, names: Names) -> str:
    owner = f"{rows.key} = {rows.of_type(f'{source}.winner_id')}"
    return names.changes("c", owner) if rows.name == plan.customer.table else owner
