"""How the rows of a child table follow their customer: one or two statements a table for all merges of a wave.

Every statement takes the CTE `t` of names.pairs, journals what it does by a CTE of its own, and answers with rows
(merge_id, …) that the executor counts. Statements that put rows aside run before the one that moves the rest, so no
row ever collides with one that is about to go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from merge_engine.plan_file import Child, Repoint, RepointUnique, SumIntoWinner
from merge_engine.statements.facts import owner_columns
from merge_engine.statements.names import Names, identifier, literal, table


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStatements:
    """The statements of one child table.

    remove: answers (merge_id, is_removed, n, channel, granted, evidence); the last three only of a consent table.
    move: answers (merge_id, n, loser_id, winner_id, system, external_id); the last four only of an external id table.
    create, total: of a table whose figures are summed; `total` answers (merge_id, n).
    count: what would be moved and put aside: (merge_id, moved, removed).
    """

    table: str
    count: str
    remove: str | None = None
    move: str | None = None
    create: str | None = None
    total: str | None = None
    announces_external_ids: bool = False
    decides_consent: bool = False
    sums: tuple[str, ...] = ()
    equals: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def child_statements(child: Child, names: Names) -> ChildStatements:
    """Compile one child table."""
    if isinstance(child, SumIntoWinner):
        return _sum_into_winner(child, names)
    if isinstance(child, RepointUnique):
        return _repoint_unique(child, names)
    return _repoint(child, names)


def _repoint(child: Repoint, names: Names) -> ChildStatements:
    tenant, key = owner_columns(names, child)
    external = child.external_id
    ids = (
        f", c.{identifier(external.system)}::text AS system, c.{identifier(external.id)}::text AS id"
        if external
        else ""
    )
    answer = (
        "SELECT merge_id::text, 1, loser_id::text, winner_id::text, system, id FROM u"
        if external
        else "SELECT merge_id::text, count(*) FROM u GROUP BY merge_id"
    )
    move = f"""
WITH {names.pairs()},
u AS (
  UPDATE {table(child.table)} c SET {key} = t.winner_id FROM t
  WHERE {Names.matches("c", tenant, key, "t.tenant_id", "t.loser_id")}
  RETURNING t.merge_id, t.tenant_id, t.loser_id, t.winner_id, c.{identifier(child.row_id)}::text AS row_id{ids}),
j AS ({names.journal(literal(child.table), "MOVED", _MOVED, "u GROUP BY merge_id, tenant_id, loser_id")})
{answer}"""
    return ChildStatements(
        table=child.table,
        count=_count_all(child, names),
        move=move,
        announces_external_ids=external is not None,
    )


_MOVED = "merge_id, tenant_id::text, loser_id::text, array_agg(row_id), NULL::jsonb"


def _repoint_unique(child: RepointUnique, names: Names) -> ChildStatements:
    ranked = _ranked(child, names)
    row_id = identifier(child.row_id)
    consent = child.consent
    answer = (
        "SELECT merge_id::text, place > 1, 1, channel, granted, evidence FROM r WHERE rivals > 1"
        if consent
        else "SELECT merge_id::text, true, count(*) FROM r WHERE place > 1 GROUP BY merge_id"
    )
    removed = (
        "merge_id, tenant_id::text, owner_id::text, array_agg(row_id), "
        "jsonb_agg(jsonb_build_object('row', image, 'kept', kept))"
    )
    remove = f"""
WITH {names.pairs()},
{ranked},
d AS (
  DELETE FROM {table(child.table)} c USING r WHERE r.place > 1 AND c.{row_id} = r.id
  RETURNING r.merge_id, r.tenant_id, r.owner_id, c.{row_id}::text AS row_id, to_jsonb(c) AS image, r.kept),
j AS ({names.journal(literal(child.table), "REMOVED", removed, "d GROUP BY merge_id, tenant_id, owner_id")})
{answer}"""
    count = f"""
WITH {names.pairs()},
{ranked}
SELECT merge_id::text, count(*) FILTER (WHERE place = 1 AND owner_id <> winner_id), count(*) FILTER (WHERE place > 1)
FROM r GROUP BY merge_id"""
    return ChildStatements(
        table=child.table,
        count=count,
        remove=remove,
        move=_move_one_flagged(child, child.one_flagged, names) if child.one_flagged else _move_plain(child, names),
        decides_consent=consent is not None,
    )


def _move_plain(child: RepointUnique, names: Names) -> str | None:
    plain = Repoint(
        table=child.table, customer=child.customer, tenant=child.tenant, move="repoint", row_id=child.row_id
    )
    return _repoint(plain, names).move


def _ranked(child: RepointUnique, names: Names) -> str:
    """The CTE `r`: the winner's and ALL losers' rows of a merge ranked in one window; place 1 stays.

    A row with a missing value in the unique columns collides with nothing, as in the constraint itself.
    """
    tenant, key = owner_columns(names, child)
    unique = [f"c.{identifier(column)}" for column in child.unique]
    column = None if child.collision.column is None else f"c.{identifier(child.collision.column)}"
    first = {
        "keep_winner": "",
        "highest": f"{column} DESC NULLS LAST, ",
        "most_restrictive": f"{column} ASC NULLS LAST, ",
    }[child.collision.policy]
    window = f"(PARTITION BY p.merge_id, {', '.join(unique)} ORDER BY {first}p.position, c.{identifier(child.row_id)})"
    partition = f"(PARTITION BY p.merge_id, {', '.join(unique)})"
    consent = child.consent
    extra = (
        f", c.{identifier(consent.channel)}::text AS channel, c.{identifier(consent.granted)} AS granted, "
        f"c.{identifier(consent.evidence)}::text AS evidence"
        if consent
        else ""
    )
    present = " AND ".join(f"{column} IS NOT NULL" for column in unique)
    return f"""p AS (
  SELECT merge_id, tenant_id, winner_id, loser_id AS owner_id, position FROM t
  UNION ALL SELECT DISTINCT merge_id, tenant_id, winner_id, winner_id, 0 FROM t),
r AS (
  SELECT p.merge_id, p.tenant_id, p.owner_id, p.winner_id, c.{identifier(child.row_id)} AS id{extra},
    row_number() OVER {window} AS place, first_value(c.{identifier(child.row_id)}::text) OVER {window} AS kept,
    count(*) OVER {partition} AS rivals
  FROM p JOIN {table(child.table)} c ON {Names.matches("c", tenant, key, "p.tenant_id", "p.owner_id")}
  WHERE {present})"""


def _move_one_flagged(child: RepointUnique, flag: str, names: Names) -> str:
    """Move, and let at most one row of the winner keep the flag: the winner's own before a loser's."""
    tenant, key = owner_columns(names, child)
    row_id, flagged, rows = identifier(child.row_id), identifier(flag), table(child.table)
    moved = (
        "merge_id, tenant_id::text, loser_id::text, array_agg(row_id), "
        f"jsonb_object_agg(row_id, jsonb_build_object({literal(flag)}, true)) FILTER (WHERE was AND NOT stays)"
    )
    return f"""
WITH {names.pairs()},
f AS (
  SELECT t.*, c.{row_id} AS id, c.{flagged} AS was, c.{flagged}
    AND row_number() OVER (PARTITION BY t.merge_id ORDER BY c.{flagged} DESC, t.position, c.{row_id}) = 1
    AND NOT EXISTS (SELECT 1 FROM {rows} w
                    WHERE {Names.matches("w", tenant, key, "t.tenant_id", "t.winner_id")} AND w.{flagged}) AS stays
  FROM t JOIN {rows} c ON {Names.matches("c", tenant, key, "t.tenant_id", "t.loser_id")}),
u AS (
  UPDATE {rows} c SET {key} = f.winner_id, {flagged} = f.stays FROM f WHERE c.{row_id} = f.id
  RETURNING f.merge_id, f.tenant_id, f.loser_id, c.{row_id}::text AS row_id, f.was, f.stays),
j AS ({names.journal(literal(child.table), "MOVED", moved, "u GROUP BY merge_id, tenant_id, loser_id")})
SELECT merge_id::text, count(*) FROM u GROUP BY merge_id"""


def _sum_into_winner(child: SumIntoWinner, names: Names) -> ChildStatements:
    tenant, key = owner_columns(names, child)
    rows, name = table(child.table), literal(child.table)
    sums = [identifier(column) for column in child.sum]
    owned = Names.matches("c", tenant, key, "t.tenant_id", "t.loser_id")
    zeros = "".join(f", {literal(column)}, 0" for column in child.sum)
    key_name = literal(child.customer or names.key_name)
    created = "merge_id, tenant_id::text, winner_id::text, ARRAY[]::text[], NULL::jsonb"
    create = f"""
WITH {names.pairs()},
s AS (
  SELECT DISTINCT ON (t.merge_id) t.merge_id, t.tenant_id, t.winner_id, to_jsonb(c) AS image
  FROM t JOIN {rows} c ON {owned}
  WHERE NOT EXISTS (SELECT 1 FROM {rows} w WHERE {Names.matches("w", tenant, key, "t.tenant_id", "t.winner_id")})
  ORDER BY t.merge_id, t.position),
i AS (
  INSERT INTO {rows}
  SELECT n.* FROM s,
    jsonb_populate_record(NULL::{rows}, s.image || jsonb_build_object({key_name}, s.winner_id{zeros})) n),
j AS ({names.journal(name, "CREATED", created, "s")})
SELECT merge_id::text FROM s"""
    summed = "merge_id, tenant_id::text, loser_id::text, ARRAY[]::text[], image"
    figures = "".join(f", c.{column} AS {column}" for column in sums)
    totals = "".join(f", sum({column}) AS {column}" for column in sums)
    added = ", ".join(f"{column} = coalesce(c.{column}, 0) + coalesce(s.{column}, 0)" for column in sums)
    total = f"""
WITH {names.pairs()},
d AS (
  DELETE FROM {rows} c USING t WHERE {owned}
  RETURNING t.merge_id, t.tenant_id, t.loser_id, t.winner_id, to_jsonb(c) AS image{figures}),
j AS ({names.journal(name, "SUMMED", summed, "d")}),
s AS (SELECT merge_id, tenant_id, winner_id, count(*) AS n{totals} FROM d GROUP BY merge_id, tenant_id, winner_id),
w AS (UPDATE {rows} c SET {added} FROM s WHERE {Names.matches("c", tenant, key, "s.tenant_id", "s.winner_id")})
SELECT merge_id::text, n FROM s"""
    return ChildStatements(
        table=child.table,
        count=_count_all(child, names),
        create=create,
        total=total,
        sums=child.sum,
        equals={column: (other.table, other.column) for column, other in child.equals.items()},
    )


def _count_all(child: Child, names: Names) -> str:
    tenant, key = owner_columns(names, child)
    return f"""
WITH {names.pairs()}
SELECT t.merge_id::text, count(*), 0 FROM t
JOIN {table(child.table)} c ON {Names.matches("c", tenant, key, "t.tenant_id", "t.loser_id")} GROUP BY t.merge_id"""
