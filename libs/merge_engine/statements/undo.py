"""Statements that put rows and records back. They work on one customer or one table at a time: an undo is rare."""

from collections.abc import Mapping
from dataclasses import dataclass

from merge_engine.plan_file import Child, Plan, RepointUnique, SumIntoWinner
from merge_engine.statements.customers import touched
from merge_engine.statements.facts import owner_columns
from merge_engine.statements.names import Names, identifier, table


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildUndo:
    """One child table's way back. Row ids are bound as an array literal, which takes the type of the id column.

    back (ids, tenant, winner, loser): answers the ids that went back. present (ids): those that still exist.
    flag (ids, tenant, customer): sets the flag that the move took away. insert (image): a row that had been put aside.
    add (image, tenant, id, sign): adds or takes away the image's figures, answers the new ones.
    drop (tenant, id): deletes the customer's row if its figures are zero. owned (tenant, id): counts the rows.
    """

    name: str
    back: str | None = None
    present: str | None = None
    flag: str | None = None
    insert: str | None = None
    add: str | None = None
    drop: str | None = None
    owned: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoStatements:
    """All statements of an undo.

    restore_loser (tenant, id, image, mark_*): answers the version, and for each mark whether it was still there.
    typed_fields (images): a row of all fields for each image. same_fields (tenant, id, wrote): for each field whether
    the record still holds it. patch_winner (tenant, id, patch).
    """

    children: Mapping[str, ChildUndo]
    restore_loser: str
    typed_fields: str
    same_fields: str
    patch_winner: str


def undo_statements(plan: Plan, names: Names) -> UndoStatements:
    """Compile the way back of every table of a plan."""
    customers, link = names.customers, identifier(plan.disposition.column)
    one = names.match("c", names.typed_tenant("%(tenant)s::text"), names.typed_key("%(id)s::text"))
    marks = [
        (identifier(column), f"c.{identifier(column)}::text = %(mark_{place})s::text")
        for place, column in enumerate(plan.disposition.set)
    ]
    restored = "".join(f"{mark} = CASE WHEN {same} THEN n.{mark} ELSE c.{mark} END, " for mark, same in marks)
    kept = "".join(f", {same.replace('c.', 'b.', 1)}" for _, same in marks)
    fields = [identifier(field) for field in plan.fields]
    same_key = f"b.{names.key} = c.{names.key}" + (f" AND b.{names.tenant} = c.{names.tenant}" if names.tenant else "")
    return UndoStatements(
        children={child.table: _child_undo(child, names) for child in plan.children},
        restore_loser=f"""
UPDATE {customers} c SET {restored}{link} = n.{link}, {touched(plan)}
FROM jsonb_populate_record(NULL::{customers}, %(image)s::text::jsonb) n, {customers} b
WHERE {one} AND {same_key} RETURNING c.{identifier(plan.customer.version)}{kept}""",
        typed_fields=f"""
SELECT {", ".join(f"n.{field}" for field in fields)} FROM unnest(%(images)s::text[]) WITH ORDINALITY AS v(image, place),
  jsonb_populate_record(NULL::{customers}, v.image::jsonb) n ORDER BY v.place""",
        same_fields=f"""
SELECT {", ".join(f"c.{field} IS NOT DISTINCT FROM n.{field}" for field in fields)}
FROM {customers} c, jsonb_populate_record(NULL::{customers}, %(wrote)s::text::jsonb) n WHERE {one}""",
        patch_winner=f"""
UPDATE {customers} c SET {"".join(f"{field} = n.{field}, " for field in fields)}{touched(plan)}
FROM {customers} b, LATERAL jsonb_populate_record(b, %(patch)s::text::jsonb) n WHERE {one} AND {same_key}""",
    )


def _child_undo(child: Child, names: Names) -> ChildUndo:
    tenant, key = owner_columns(names, child)
    rows = table(child.table)
    insert = f"""
INSERT INTO {rows} OVERRIDING SYSTEM VALUE
SELECT n.* FROM jsonb_populate_record(NULL::{rows}, %(image)s::text::jsonb) n"""
    if isinstance(child, SumIntoWinner):
        return _sum_undo(child, names, insert)
    row_id = identifier(child.row_id)

    def owner(parameter: str) -> str:
        typed = names.typed_tenant("%(tenant)s::text"), names.typed_key(f"%({parameter})s::text")
        return Names.matches("c", tenant, key, *typed)

    flag = child.one_flagged if isinstance(child, RepointUnique) else None
    return ChildUndo(
        name=child.table,
        back=f"""
UPDATE {rows} c SET {key} = {names.typed_key("%(loser)s::text")}
WHERE c.{row_id} = ANY(%(ids)s) AND {owner("winner")} RETURNING c.{row_id}::text""",
        present=f"SELECT c.{row_id}::text FROM {rows} c WHERE c.{row_id} = ANY(%(ids)s) AND NOT ({owner('loser')})",
        flag=None
        if flag is None
        else f"UPDATE {rows} c SET {identifier(flag)} = true WHERE c.{row_id} = ANY(%(ids)s) AND {owner('loser')}",
        insert=insert,
    )


def _sum_undo(child: SumIntoWinner, names: Names, insert: str) -> ChildUndo:
    tenant, key = owner_columns(names, child)
    rows = table(child.table)
    sums = [identifier(column) for column in child.sum]
    typed = names.typed_tenant("%(tenant)s::text"), names.typed_key("%(id)s::text")
    owned = Names.matches("c", tenant, key, *typed)
    changed = ", ".join(f"{c} = coalesce(c.{c}, 0) + %(sign)s::int * coalesce(n.{c}, 0)" for c in sums)
    return ChildUndo(
        name=child.table,
        insert=insert,
        add=f"""
UPDATE {rows} c SET {changed} FROM jsonb_populate_record(NULL::{rows}, %(image)s::text::jsonb) n
WHERE {owned} RETURNING {", ".join(f"c.{column}" for column in sums)}""",
        drop=f"DELETE FROM {rows} c WHERE {owned} AND {' AND '.join(f'c.{column} = 0' for column in sums)}",
        owned=f"SELECT count(*) FROM {rows} c WHERE {owned}",
    )
