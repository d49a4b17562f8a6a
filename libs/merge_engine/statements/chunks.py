"""Statements of merges that move their rows in chunks: how many rows a loser has, which they are, and one chunk's way.

A line of the journal with a chunk number lists rows before they move. When the chunk has moved, the line says which of
them really did, and is what an undo reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from merge_engine.plan_file import BlockIfExists, Child, Delete, KeepOnLoser, Plan, Repoint
from merge_engine.statements.names import Names, identifier, literal
from merge_engine.statements.owners import ChildRows


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChunks:
    """One entry of the plan's children; `table` is its table.

    list_rows (merge_id, tenant, loser, size, after): writes the loser's rows into the journal, in chunks of `size`
    numbered from `after` + 1; answers (chunks, rows). left (tenant, loser, limit): counts its rows up to `limit`.
    move (merge_id, chunk, ids, tenant, loser, target, path_merges, path_ids): moves the rows of a chunk that still are
    the loser's and journals them for every merge they follow; answers how many moved. `ids` is an array literal, which
    takes the type of the id column. move_some (tenant, loser, target, limit, path_merges, path_ids): moves so many rows
    of a loser that were not listed; the path begins with the loser's own merge. move_past (the same, and skip): without
    so many first ones, in the order of their ids. give (ids, tenant, holder, taker):
    hands rows that are one customer's to another one, and journals nothing; answers how many.
    """

    table: str
    list_rows: str
    left: str
    move: str
    move_some: str
    move_past: str
    give: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkStatements:
    """All statements of large merges; `tables` by the name under which the journal knows them.

    count (tenants, losers, limit, limit_at_once): answers (tenant, loser, …) with a figure for each label in `counted`:
    how many rows the loser has there, up to `limit`, or up to the other where they do not move in chunks; None when
    nothing moves. `announced` are those of them whose rows an event names one by one. share (tenant, id): keeps a
    customer from being merged away before the transaction ends. line (merge_id, chunk): answers (table, loser, ids).
    versions (as names.pairs): of a plan that deletes losers, the versions with which these will end: (merge_id,
    loser_id, version).
    """

    tables: Mapping[str, TableChunks]
    count: str | None
    counted: tuple[str, ...]
    announced: frozenset[str]
    share: str
    line: str
    versions: str | None


def moves_in_chunks(child: Child, plan: Plan) -> bool:
    """Whether the rows of a large merge may follow later: nothing that the merge decides or announces depends on them.

    Rows that change with the move, that may go to a facilitator, or that are customers themselves move at once.
    """
    return (
        isinstance(child, Repoint)
        and child.external_id is None
        and not child.facilitator
        and not child.refresh
        and child.to_itself in {None, "keep"}
        and child.table != plan.customer.table
    )


def chunk_statements(plan: Plan, names: Names) -> ChunkStatements:
    """Compile the statements of a plan."""
    children = [
        (child, ChildRows.of(child, names))
        for child in plan.children
        if isinstance(child, Repoint) and moves_in_chunks(child, plan)
    ]
    counted = [
        ChildRows.of(child, names) for child in plan.children if not isinstance(child, KeepOnLoser | BlockIfExists)
    ]
    one = names.match("c", names.typed_tenant("%(tenant)s::text"), names.typed_key("%(id)s::text"))
    return ChunkStatements(
        tables={rows.label: _table(child, rows, names) for child, rows in children},
        count=_count(counted, frozenset(rows.label for _, rows in children), names) if counted else None,
        counted=tuple(rows.label for rows in counted),
        announced=frozenset(
            ChildRows.of(child, names).label
            for child in plan.children
            if isinstance(child, Repoint) and child.external_id is not None
        ),
        share=f"SELECT FROM {names.customers} c WHERE {one} FOR KEY SHARE",
        line=f"""
SELECT table_name, from_id, row_ids::text FROM {names.schema}.journal
WHERE merge_id = %(merge_id)s::uuid AND chunk = %(chunk)s""",
        versions=None
        if not isinstance(plan.disposition, Delete)
        else f"""
WITH {names.pairs()}
SELECT t.merge_id::text, t.loser_id::text, {names.next_version("c")}
FROM t JOIN {names.customers} c ON {names.match("c", "t.tenant_id", "t.loser_id")}""",
    )


def _count(children: list[ChildRows], in_chunks: frozenset[str], names: Names) -> str:
    """One scan of each table's index, given up as soon as its limit is reached."""
    found = "".join(
        f",\n  (SELECT count(*) FROM (SELECT FROM {rows.rows} c WHERE {rows.owned('c', 't.tenant_id', 't.loser_id')} "
        f"LIMIT {'%(limit)s' if rows.label in in_chunks else '%(limit_at_once)s'}) x)"
        for rows in children
    )
    return f"""
SELECT t.tenant_id::text, t.loser_id::text{found}
FROM unnest({names.tenants("tenants")}, {names.keys("losers")}) AS t(tenant_id, loser_id)"""


def _table(child: Repoint, rows: ChildRows, names: Names) -> TableChunks:
    owned = rows.owned("c", names.typed_tenant("%(tenant)s::text"), names.typed_key("%(loser)s::text"))
    return TableChunks(
        table=child.table,
        list_rows=_list_rows(rows, names, owned),
        left=f"SELECT count(*) FROM (SELECT FROM {rows.rows} c WHERE {owned} LIMIT %(limit)s) x",
        move=_move(child, rows, names),
        move_some=_move_some(rows, names, owned),
        move_past=_move_some(rows, names, owned, past=True),
        give=_give(child, rows, names),
    )


def _list_rows(rows: ChildRows, names: Names, owned: str) -> str:
    return f"""
WITH r AS (
  SELECT {rows.id_text("c")} AS row_id, (row_number() OVER () - 1) / %(size)s::int AS part
  FROM {rows.rows} c WHERE {owned}),
j AS (
  INSERT INTO {names.schema}.journal (merge_id, tenant_id, table_name, from_id, action, row_ids, chunk)
  SELECT %(merge_id)s::uuid, %(tenant)s::text, {rows.journal_name()}, %(loser)s::text, 'MOVED', array_agg(row_id),
    %(after)s::int + 1 + part
  FROM r GROUP BY part RETURNING cardinality(row_ids) AS n)
SELECT count(*), coalesce(sum(n), 0)::bigint FROM j"""


def _move(child: Repoint, rows: ChildRows, names: Names) -> str:
    return f"""
WITH u AS (
  {_handed_over(child, rows, names, holder="loser", taker="target")}
  RETURNING {rows.id_text("c")} AS row_id),
a AS (SELECT coalesce(array_agg(row_id), '{{}}') AS row_ids, count(*) AS n FROM u),
k AS (
  UPDATE {names.schema}.journal j SET row_ids = a.row_ids FROM a
  WHERE j.merge_id = %(merge_id)s::uuid AND j.chunk = %(chunk)s AND a.n <> cardinality(j.row_ids)),
p AS (
  INSERT INTO {names.schema}.journal (merge_id, tenant_id, table_name, from_id, action, row_ids, chunk)
  SELECT e.merge_id, %(tenant)s::text, {rows.journal_name()}, e.from_id, 'MOVED', a.row_ids, 0
  FROM unnest(%(path_merges)s::text[]::uuid[], %(path_ids)s::text[]) AS e(merge_id, from_id), a WHERE a.n > 0)
SELECT n FROM a"""


def _give(child: Repoint, rows: ChildRows, names: Names) -> str:
    return f"""
WITH u AS (
  {_handed_over(child, rows, names, holder="holder", taker="taker")} RETURNING 1)
SELECT count(*) FROM u"""


def _handed_over(child: Repoint, rows: ChildRows, names: Names, *, holder: str, taker: str) -> str:
    """The rows `ids` of the customer bound as `holder` become the one's bound as `taker`. They are found by their ids.

    An index over the customer would look cheaper to the planner, which does not know that this customer has a million:
    it is left to it only where the customer is part of the row's own key.
    """
    tenant, key = names.typed_tenant("%(tenant)s::text"), names.typed_key(f"%({holder})s::text")
    owned = rows.owned("c", tenant, key, by_index=rows.key_name in child.row_id_columns)
    typed_ids, by_id = _found_by_id(child, rows)
    taken = rows.of_type(names.typed_key(f"%({taker})s::text"))
    return f"""UPDATE {rows.rows} c SET {rows.key} = {taken}{typed_ids}
  WHERE {by_id} AND {owned}"""


def _move_some(rows: ChildRows, names: Names, owned: str, *, past: bool = False) -> str:
    """Its lines are like those of a merge that moves its rows at once: they are few.

    `past`: without the first ones in the order of the ids, which takes a look at all.
    """
    order = rows.order("c").removeprefix(", ")
    which = f" ORDER BY {order} OFFSET %(skip)s" if past else ""
    return f"""
WITH f AS (
  SELECT {rows.id_columns("c").removeprefix(", ")} FROM {rows.rows} c WHERE {owned}{which} LIMIT %(limit)s),
u AS (
  UPDATE {rows.rows} c SET {rows.key} = {rows.of_type(names.typed_key("%(target)s::text"))} FROM f
  WHERE {rows.same_id("c", "f")} AND {owned} RETURNING {rows.id_text("c")} AS row_id),
a AS (SELECT array_agg(row_id) AS row_ids, count(*) AS n FROM u),
p AS (
  INSERT INTO {names.schema}.journal (merge_id, tenant_id, table_name, from_id, action, row_ids)
  SELECT e.merge_id, %(tenant)s::text, {rows.journal_name()}, e.from_id, 'MOVED', a.row_ids
  FROM unnest(%(path_merges)s::text[]::uuid[], %(path_ids)s::text[]) AS e(merge_id, from_id), a WHERE a.n > 0)
SELECT n FROM a"""


def _found_by_id(child: Repoint, rows: ChildRows) -> tuple[str, str]:
    """A FROM clause, and the condition that a row is one of `ids`, both for the index over the row's own id."""
    if len(rows.ids) == 1:
        return "", rows.id_in("c", "ids")
    # An id of several columns is a JSON list; a record of the table gives each element the type of its column.
    columns = [column for column in child.row_id_columns if identifier(column) in rows.ids]
    elements = ", ".join(f"{literal(column)}, i.id::jsonb -> {place}" for place, column in enumerate(columns))
    record = f"jsonb_populate_record(NULL::{rows.rows}, jsonb_build_object({elements})) n"
    same = " AND ".join(f"c.{column} = n.{column}" for column in rows.ids)
    return f"\n  FROM unnest(%(ids)s::text[]) AS i(id), LATERAL {record}", same
