"""Figures of which a customer has one row: the losers' are added to the winner's, exactly once a merge."""

from merge_engine.plan_file import SumIntoWinner
from merge_engine.statements.names import Names, identifier, literal
from merge_engine.statements.owners import ChildRows


def create_sum(child: SumIntoWinner, rows: ChildRows, names: Names) -> str:
    """A winner without a row gets one with zeros, otherwise like the first loser's."""
    zeros = "".join(f", {literal(column)}, 0" for column in child.sum)
    new_id = "" if child.row_id is None else f", {literal(child.row_id)}, {new_row_id(rows, child.row_id)}"
    created = "merge_id, tenant_id::text, winner_id::text, ARRAY[]::text[], NULL::jsonb"
    return f"""
WITH {names.pairs()},
s AS (
  SELECT DISTINCT ON (t.merge_id) t.merge_id, t.tenant_id, t.winner_id, to_jsonb(c) AS image
  FROM t JOIN {rows.rows} c ON {rows.owned("c", "t.tenant_id", "t.loser_id")}
  WHERE {to_sum(child, "c")}
    AND NOT EXISTS (SELECT 1 FROM {rows.rows} w WHERE {rows.owned("w", "t.tenant_id", "t.winner_id")})
  ORDER BY t.merge_id, t.position),
i AS (
  INSERT INTO {rows.rows} OVERRIDING SYSTEM VALUE
  SELECT n.* FROM s, jsonb_populate_record(NULL::{rows.rows},
    s.image || jsonb_build_object({literal(rows.key_name)}, {rows.of_type("s.winner_id")}{zeros}{new_id})) n),
j AS ({names.journal(rows.journal_name(), "CREATED", created, "s")})
SELECT merge_id::text FROM s"""


def sum_up(child: SumIntoWinner, rows: ChildRows, names: Names) -> str:
    """Answers (merge_id, n).

    Figures that the winner had not are named in place of row ids: they are missing again after an undo.
    """
    sums = [identifier(column) for column in child.sum]
    figures = "".join(f", c.{column} AS {column}" for column in sums)
    totals = "".join(f", sum({column}) AS {column}" for column in sums)
    added = ", ".join(f"{column} = coalesce(c.{column} + s.{column}, c.{column}, s.{column})" for column in sums)
    summed = "merge_id, tenant_id::text, loser_id::text, coalesce(missing, ARRAY[]::text[]), image"
    missing = ", ".join(
        f"CASE WHEN c.{column} IS NULL THEN {literal(name)} END" for column, name in zip(sums, child.sum, strict=True)
    )
    owned = rows.owned("c", "t.tenant_id", "t.loser_id")
    taken = f"SELECT t.*, to_jsonb(c) AS image{figures} FROM t JOIN {rows.rows} c ON {owned} WHERE {to_sum(child, 'c')}"
    emptied = ", ".join(f"{column} = c.{column} * 0" for column in sums)
    leave = (
        f"d AS ({taken}),\nz AS (UPDATE {rows.rows} c SET {emptied} FROM d t WHERE {owned})"
        if child.losing_rows == "keep_on_loser"
        else f"d AS (DELETE FROM {rows.rows} c USING t WHERE {owned} RETURNING t.*, to_jsonb(c) AS image{figures})"
    )
    return f"""
WITH {names.pairs()},
{leave},
m AS (
  SELECT t.merge_id, array_remove(ARRAY[{missing}], NULL) AS missing
  FROM (SELECT DISTINCT merge_id, tenant_id, winner_id FROM t) t
  JOIN {rows.rows} c ON {rows.owned("c", "t.tenant_id", "t.winner_id")}),
j AS ({names.journal(rows.journal_name(), "SUMMED", summed, "d LEFT JOIN m USING (merge_id)")}),
s AS (SELECT merge_id, tenant_id, winner_id, count(*) AS n{totals} FROM d GROUP BY merge_id, tenant_id, winner_id),
w AS (UPDATE {rows.rows} c SET {added} FROM s WHERE {rows.owned("c", "s.tenant_id", "s.winner_id")})
SELECT merge_id::text, n FROM s"""


def count_sums(child: SumIntoWinner, rows: ChildRows, names: Names) -> str:
    """Answers (merge_id, moved, 0)."""
    return f"""
WITH {names.pairs()}
SELECT t.merge_id::text, count(*), 0 FROM t
JOIN {rows.rows} c ON {rows.owned("c", "t.tenant_id", "t.loser_id")} WHERE {to_sum(child, "c")} GROUP BY t.merge_id"""


def to_sum(child: SumIntoWinner, alias: str) -> str:
    """The condition that a loser's row has something to add: one that stays on its loser has nothing afterwards."""
    if child.losing_rows == "remove":
        return "TRUE"
    return f"({' OR '.join(f'coalesce({alias}.{identifier(column)}, 0) <> 0' for column in child.sum)})"


def new_row_id(rows: ChildRows, column: str) -> str:
    """A new id for a row, as JSON: the next of the column's own sequence, or a random one where it has none."""
    sequence = f"pg_get_serial_sequence({literal(rows.rows.replace('%%', '%'))}, {literal(column)})::regclass"
    return f"coalesce(to_jsonb(nextval({sequence})), to_jsonb(gen_random_uuid()))"
