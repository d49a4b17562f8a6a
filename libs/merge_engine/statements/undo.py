"""Statements that put rows and records back. They work on one customer or one table at a time: an undo is rare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merge_engine.plan_file import (
    BlockIfExists,
    Child,
    CopyMissing,
    Delete,
    KeepOnLoser,
    Plan,
    Repoint,
    RepointUnique,
    SumIntoWinner,
)
from merge_engine.statements.names import Names, identifier, literal
from merge_engine.statements.owners import ChildRows


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildUndo:
    """The way back of one entry of the plan's children.

    All take ids (an array literal, see ChildRows.id_in), before (the line's, as text), places (of the ids in it),
    tenant, loser (whose the rows were) and winner (who has them).
    back: answers the ids that went back. present: those that still exist and are not the loser's. claim: rows whose
    customer was cleared. flag: sets the flag that the move took away. unrefresh: copies that still hold what was
    written hold again what they held. insert (wrapped: the images stand under `row`): rows that had been put aside.
    uncopy: deletes copies that are as they were made, answers their ids.
    add (image, tenant, id, sign): adds or takes away the image's figures, answers the new ones.
    drop (tenant, id): deletes the customer's row if its figures are zero. owned (tenant, id): counts the rows.
    empty (missing, tenant, id): these figures are missing again if they are zero.
    describe (old, new, tenant, id): writes the columns of `new` into the customer's row if it holds those of `old`.
    `sums` are the columns that are added up; `own` are these and the ones that tell whose a row is, and which.
    """

    name: str
    insert: str
    back: str | None = None
    present: str | None = None
    claim: str | None = None
    flag: str | None = None
    unrefresh: str | None = None
    uncopy: str | None = None
    add: str | None = None
    drop: str | None = None
    owned: str | None = None
    empty: str | None = None
    describe: str | None = None
    sums: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoStatements:
    """All statements of an undo; `children` by label, the last entry of the plan first.

    insert_loser (image): a record that had been deleted; None where records are kept.
    restore_loser (tenant, id, image, mark_*): answers the version, and for each mark whether it was still there.
    image_facts (images): for each image of a record the columns that fields are decided from. record_image (tenant,
    id): a record as an image. patch_record (tenant, id, patch).
    """

    children: Mapping[str, ChildUndo]
    insert_loser: str | None
    restore_loser: str
    image_facts: str
    record_image: str
    patch_record: str


def undo_statements(plan: Plan, names: Names, field_columns: Sequence[str]) -> UndoStatements:
    """Compile the way back of every table of a plan; `field_columns` as in CompiledPlan."""
    customers = names.customers
    one = names.match("c", names.typed_tenant("%(tenant)s::text"), names.typed_key("%(id)s::text"))
    fields = [identifier(field) for field in plan.fields]
    same_key = f"b.{names.key} = c.{names.key}" + (f" AND b.{names.tenant} = c.{names.tenant}" if names.tenant else "")
    patched = names.changes("c", *(f"{field} = n.{field}" for field in fields))
    return UndoStatements(
        children={
            ChildRows.of(child, names).label: _child_undo(child, plan, names) for child in reversed(plan.children)
        },
        insert_loser=_insert_loser(names) if isinstance(plan.disposition, Delete) else None,
        restore_loser=_restore_loser(plan, names, one, same_key),
        image_facts=f"""
SELECT {", ".join(f"n.{identifier(column)}" for column in field_columns) or "NULL"}
FROM unnest(%(images)s::text[]) WITH ORDINALITY AS v(image, place),
  jsonb_populate_record(NULL::{customers}, v.image::jsonb) n ORDER BY v.place""",
        record_image=f"SELECT to_jsonb(c)::text FROM {customers} c WHERE {one}",
        patch_record=f"""
UPDATE {customers} c SET {patched}
FROM {customers} b, LATERAL jsonb_populate_record(b, %(patch)s::text::jsonb) n WHERE {one} AND {same_key}""",
    )


def _insert_loser(names: Names) -> str:
    """The record as it was deleted; its version is the one that its deletion was told with."""
    image = "%(image)s::text::jsonb"
    if names.version_column is not None:
        image += f" || jsonb_build_object({names.version_name}, n.{names.version_column} + 1)"
    return f"""
INSERT INTO {names.customers} OVERRIDING SYSTEM VALUE
SELECT v.* FROM jsonb_populate_record(NULL::{names.customers}, %(image)s::text::jsonb) n,
  LATERAL jsonb_populate_record(NULL::{names.customers}, {image}) v"""


def _restore_loser(plan: Plan, names: Names, one: str, same_key: str) -> str:
    marks = [
        (identifier(column), f"{identifier(column)}::text IS NOT DISTINCT FROM %(mark_{place})s::text")
        for place, column in enumerate(plan.disposition.set)
    ]
    restored = [f"{mark} = CASE WHEN c.{same} THEN n.{mark} ELSE c.{mark} END" for mark, same in marks]
    if plan.disposition.column is not None:
        link = identifier(plan.disposition.column)
        restored.append(f"{link} = n.{link}")
    return f"""
UPDATE {names.customers} c SET {names.changes("c", *restored)}
FROM jsonb_populate_record(NULL::{names.customers}, %(image)s::text::jsonb) n, {names.customers} b
WHERE {one} AND {same_key} RETURNING {names.version("c")}{"".join(f", b.{same}" for _, same in marks)}"""


def _child_undo(child: Child, plan: Plan, names: Names) -> ChildUndo:
    rows = ChildRows.of(child, names)
    insert = f"""
INSERT INTO {rows.rows} OVERRIDING SYSTEM VALUE
SELECT n.* FROM jsonb_array_elements(%(before)s::text::jsonb) WITH ORDINALITY AS v(line, place),
  LATERAL jsonb_populate_record(NULL::{rows.rows}, CASE WHEN %(wrapped)s THEN v.line->'row' ELSE v.line END) n
WHERE v.place = ANY(%(places)s::int[])"""
    match child:
        case SumIntoWinner():
            return _sum_undo(child, rows, plan, names, insert)
        case CopyMissing():
            return ChildUndo(
                name=child.table,
                insert=insert,
                uncopy=f"""
DELETE FROM {rows.rows} c USING jsonb_array_elements(%(before)s::text::jsonb) AS v(line)
WHERE {rows.id_in("c", "ids")} AND {_owner(rows, names, "winner")} AND to_jsonb(c) = v.line->'row'
RETURNING {rows.id_text("c")}""",
            )
        case KeepOnLoser() | BlockIfExists():
            return ChildUndo(name=child.table, insert=insert)
        case Repoint() | RepointUnique():
            return _moved_undo(child, rows, plan, names, insert)


def _moved_undo(child: Repoint | RepointUnique, rows: ChildRows, plan: Plan, names: Names, insert: str) -> ChildUndo:
    to_loser = f"{rows.key} = {rows.of_type(names.typed_key('%(loser)s::text'))}"
    if child.table == plan.customer.table:
        to_loser = names.changes("c", to_loser)
    these = rows.id_in("c", "ids")
    of_loser = _owner(rows, names, "loser")
    flag = child.one_flagged if isinstance(child, RepointUnique) else None
    return ChildUndo(
        name=child.table,
        insert=insert,
        back=f"""
UPDATE {rows.rows} c SET {to_loser}
WHERE {these} AND {_owner(rows, names, "winner")} RETURNING {rows.id_text("c")}""",
        present=_present(rows, these, of_loser),
        claim=f"""
UPDATE {rows.rows} c SET {to_loser}
WHERE {these} AND {rows.nobody("c", names.typed_tenant("%(tenant)s::text"))} RETURNING {rows.id_text("c")}""",
        flag=None
        if flag is None
        else f"UPDATE {rows.rows} c SET {identifier(flag)} = true WHERE {these} AND {of_loser}",
        unrefresh=_unrefresh(child, rows, names) if child.refresh else None,
    )


def _present(rows: ChildRows, these: str, of_loser: str) -> str:
    """Composite ids tell only the rows of one customer apart: elsewhere nobody can say which row it was."""
    if len(rows.ids) != 1:
        return f"SELECT {rows.id_text('c')} FROM {rows.rows} c WHERE FALSE"
    return f"SELECT {rows.id_text('c')} FROM {rows.rows} c WHERE {these} AND NOT ({of_loser})"


def _unrefresh(child: Repoint | RepointUnique, rows: ChildRows, names: Names) -> str:
    copies = [identifier(column) for column in child.refresh]
    restored = ", ".join(
        f"{copy} = CASE WHEN c.{copy} IS NOT DISTINCT FROM w.{copy} THEN n.{copy} ELSE c.{copy} END" for copy in copies
    )
    return f"""
UPDATE {rows.rows} c SET {restored}
FROM (SELECT %(before)s::text::jsonb AS line) b, LATERAL jsonb_each(b.line->'rows') AS v(row_id, image),
  LATERAL jsonb_populate_record(NULL::{rows.rows}, v.image) n,
  LATERAL jsonb_populate_record(NULL::{rows.rows}, b.line->'wrote') w
WHERE {rows.id_in("c", "ids")} AND {rows.id_text("c")} = v.row_id
  AND ({_owner(rows, names, "winner")} OR {_owner(rows, names, "loser")})"""


def _sum_undo(child: SumIntoWinner, rows: ChildRows, plan: Plan, names: Names, insert: str) -> ChildUndo:
    sums = [identifier(column) for column in child.sum]
    owned = _owner(rows, names, "id")
    changed = ", ".join(f"{c} = coalesce(c.{c} + %(sign)s::int * n.{c}, c.{c}, %(sign)s::int * n.{c})" for c in sums)
    emptied = ", ".join(
        f"{quoted} = CASE WHEN {literal(column)} = ANY(%(missing)s::text[]) "
        f"THEN nullif(c.{quoted}, 0) ELSE c.{quoted} END"
        for quoted, column in zip(sums, child.sum, strict=True)
    )
    return ChildUndo(
        name=child.table,
        insert=insert,
        add=f"""
UPDATE {rows.rows} c SET {changed} FROM jsonb_populate_record(NULL::{rows.rows}, %(image)s::text::jsonb) n
WHERE {owned} RETURNING {", ".join(f"c.{column}" for column in sums)}""",
        drop=f"DELETE FROM {rows.rows} c WHERE {owned} AND {' AND '.join(f'coalesce(c.{c}, 0) = 0' for c in sums)}",
        empty=f"UPDATE {rows.rows} c SET {emptied} WHERE {owned}",
        owned=f"SELECT count(*) FROM {rows.rows} c WHERE {owned}",
        describe=f"""
WITH d AS (
  DELETE FROM {rows.rows} c WHERE {owned} AND to_jsonb(c) @> %(old)s::text::jsonb RETURNING to_jsonb(c) AS image)
INSERT INTO {rows.rows} OVERRIDING SYSTEM VALUE
SELECT n.* FROM d, jsonb_populate_record(NULL::{rows.rows}, d.image || %(new)s::text::jsonb) n""",
        sums=child.sum,
        own=(*child.sum, rows.key_name, *_own_columns(child, plan)),
    )


def _own_columns(child: SumIntoWinner, plan: Plan) -> list[str]:
    """The columns of tenant and row id, if there are such."""
    tenant = plan.customer.tenant.column if child.tenant is None and plan.customer.tenant is not None else child.tenant
    return [column for column in (tenant, child.row_id) if isinstance(column, str)]


def _owner(rows: ChildRows, names: Names, parameter: str) -> str:
    """The condition that a row belongs to the customer bound as `parameter`, in the tenant bound as `tenant`."""
    return rows.owned("c", names.typed_tenant("%(tenant)s::text"), names.typed_key(f"%({parameter})s::text"))
