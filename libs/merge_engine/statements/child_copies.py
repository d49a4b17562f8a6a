"""Rows that the winner lacks are copied to it; the loser keeps its own."""

from merge_engine.plan_file import CopyMissing
from merge_engine.statements.child_sums import new_row_id
from merge_engine.statements.names import Names, identifier, literal
from merge_engine.statements.owners import ChildRows


def copy(child: CopyMissing, rows: ChildRows, names: Names) -> str:
    """Answers (merge_id, n). The journal keeps what was looked at, so that it is not copied again later."""
    id_column = _new_id_column(child, rows)
    new_id = "" if id_column is None else f", {literal(id_column)}, {new_row_id(rows, id_column)}"
    row_id = "row_id" if id_column is None else f"image->>{literal(id_column)}"
    copied = (
        f"merge_id, tenant_id::text, loser_id::text, array_agg({row_id}), "
        "jsonb_agg(jsonb_build_object('from', row_id, 'row', image))"
    )
    seen = "merge_id, tenant_id::text, loser_id::text, array_agg(row_id), NULL::jsonb"
    groups = "GROUP BY merge_id, tenant_id, loser_id"
    return f"""
WITH {names.pairs()},
{_missing(child, rows, names)},
n AS (
  SELECT merge_id, tenant_id, loser_id, row_id,
    image || jsonb_build_object({literal(rows.key_name)}, {rows.of_type("winner_id")}{new_id}) AS image
  FROM r WHERE is_missing),
i AS (
  INSERT INTO {rows.rows} OVERRIDING SYSTEM VALUE
  SELECT x.* FROM n, jsonb_populate_record(NULL::{rows.rows}, n.image) x),
j AS ({names.journal(rows.journal_name(), "COPIED", copied, f"n {groups}")}),
k AS ({names.journal(rows.journal_name(), "KEPT", seen, f"r {groups}")})
SELECT merge_id::text, count(*) FROM n GROUP BY merge_id"""


def count_copies(child: CopyMissing, rows: ChildRows, names: Names) -> str:
    """Answers (merge_id, copied, 0)."""
    return f"""
WITH {names.pairs()},
{_missing(child, rows, names)}
SELECT merge_id::text, count(*), 0 FROM r WHERE is_missing GROUP BY merge_id"""


def _missing(child: CopyMissing, rows: ChildRows, names: Names) -> str:
    """The CTE `r`: of rows alike in the unique columns, the first loser's is missing if the winner has none."""
    unique = [identifier(column) for column in child.unique]
    alike = " AND ".join(f"w.{column} = c.{column}" for column in unique)
    present = " AND ".join(f"c.{column} IS NOT NULL" for column in unique)
    columns = ", ".join(f"c.{column}" for column in unique)
    return f"""r AS (
  SELECT t.*, {rows.id_text("c")} AS row_id, to_jsonb(c) AS image,
    NOT EXISTS (SELECT 1 FROM {rows.rows} w WHERE {rows.owned("w", "t.tenant_id", "t.winner_id")} AND {alike})
    AND (NOT ({present})
      OR row_number() OVER (PARTITION BY t.merge_id, {columns} ORDER BY t.position{rows.order("c")}) = 1) AS is_missing
  FROM t JOIN {rows.rows} c ON {rows.owned("c", "t.tenant_id", "t.loser_id")}
  WHERE NOT {rows.journalled(names.schema, "c", "t.merge_id", "t.loser_id::text", "KEPT")})"""


def _new_id_column(child: CopyMissing, rows: ChildRows) -> str | None:
    """The column that needs a new value in a copy: the only id column, unless it is what rows are compared by."""
    named = [column for column in child.row_id_columns if identifier(column) in rows.ids and column not in child.unique]
    return named[0] if len(rows.ids) == 1 and named else None
