"""Rows that would connect the winner with itself: customers that name each other, or two keys in one table."""

from merge_engine.plan_file import Plan, Repoint, RepointUnique
from merge_engine.statements.names import Names, identifier
from merge_engine.statements.owners import ChildRows


def remove_self(child: Repoint | RepointUnique, rows: ChildRows, plan: Plan, names: Names) -> str:
    """Put such rows aside; answers (merge_id, n)."""
    away = "merge_id, tenant_id::text, loser_id::text, array_agg(row_id), jsonb_agg(image)"
    return f"""
WITH {names.pairs()},
d AS (
  DELETE FROM {rows.rows} c USING t
  WHERE {rows.owned("c", "t.tenant_id", "t.loser_id")} AND {connects(child, rows, plan, names)}
  RETURNING t.*, {rows.id_text("c")} AS row_id, to_jsonb(c) AS image),
j AS ({names.journal(rows.journal_name(), "CHOSEN_AWAY", away, "d GROUP BY merge_id, tenant_id, loser_id")})
SELECT merge_id::text, count(*) FROM d GROUP BY merge_id"""


def clear_self(child: Repoint | RepointUnique, rows: ChildRows, plan: Plan, names: Names) -> str:
    """Clear the customer of such rows; answers (merge_id, n)."""
    cleared = "merge_id, tenant_id::text, loser_id::text, array_agg(row_id), NULL::jsonb"
    nobody = f"{rows.key} = NULL"
    change = names.changes("c", nobody) if rows.name == plan.customer.table else nobody
    return f"""
WITH {names.pairs()},
u AS (
  UPDATE {rows.rows} c SET {change} FROM t
  WHERE {rows.owned("c", "t.tenant_id", "t.loser_id")} AND {connects(child, rows, plan, names)}
  RETURNING t.*, {rows.id_text("c")} AS row_id),
j AS ({names.journal(rows.journal_name(), "CLEARED", cleared, "u GROUP BY merge_id, tenant_id, loser_id")})
SELECT merge_id::text, count(*) FROM u GROUP BY merge_id"""


def connects(child: Repoint | RepointUnique, rows: ChildRows, plan: Plan, names: Names, pair: str = "t") -> str:
    """A row of the customer table connects the winner with itself when it is the winner's own record.

    A row of another table does when one of its other customer columns names somebody of the same merge.
    """
    if rows.name == plan.customer.table:
        return f"c.{names.key} = {pair}.winner_id"
    party = f"({rows.of_type('o.loser_id')}, {rows.of_type('o.winner_id')})"
    others = [
        f"c.{identifier(other.customer or names.key_name)} IN {party}"
        for other in plan.children
        if other.table == child.table and other is not child
    ]
    return f"EXISTS (SELECT 1 FROM t o WHERE o.merge_id = {pair}.merge_id AND ({' OR '.join(others) or 'FALSE'}))"
