"""Rows that the order did not choose to keep are put aside, whoever of the merge they belong to."""

from merge_engine.plan_file import Repoint, RepointUnique
from merge_engine.statements.names import Names, identifier
from merge_engine.statements.owners import ChildRows


def choose(child: Repoint | RepointUnique, rows: ChildRows, names: Names) -> str:
    """Answers (merge_id, n).

    Parameters beside those of `t`: choice_merges lists the merges with a choice for the table; keep_merges and keep_ids
    the rows to keep.
    """
    away = "merge_id, tenant_id::text, owner_id::text, array_agg(row_id), jsonb_agg(image)"
    return f"""
WITH {names.pairs()},
{MEMBERS},
d AS (
  DELETE FROM {rows.rows} c USING p
  WHERE {rows.owned("c", "p.tenant_id", "p.owner_id")} AND {chosen_away(child, rows, "c", "p")}
  RETURNING p.*, {rows.id_text("c")} AS row_id, to_jsonb(c) AS image),
j AS ({names.journal(rows.journal_name(), "CHOSEN_AWAY", away, "d GROUP BY merge_id, tenant_id, owner_id")})
SELECT merge_id::text, count(*) FROM d GROUP BY merge_id"""


def offered(rows: ChildRows, names: Names) -> str:
    """The rows of these customers (tenants, owners), at most `limit`: answers (customer_id, id, image)."""
    return f"""
SELECT n.customer_id::text, {rows.id_text("c")}, to_jsonb(c)
FROM unnest({names.tenants("tenants")}, {names.keys("owners")}) WITH ORDINALITY AS n(tenant_id, customer_id, place)
JOIN {rows.rows} c ON {rows.owned("c", "n.tenant_id", "n.customer_id")}
ORDER BY n.place{rows.order("c")} LIMIT %(limit)s"""


def owned_ids(rows: ChildRows, names: Names) -> str:
    """Which of the ids (parameter `ids`) are rows of these customers (tenants, owners): answers the ids."""
    return f"""
SELECT DISTINCT {rows.id_text("c")}
FROM unnest({names.tenants("tenants")}, {names.keys("owners")}) AS n(tenant_id, customer_id)
JOIN {rows.rows} c ON {rows.owned("c", "n.tenant_id", "n.customer_id")}
WHERE {rows.id_text("c")} = ANY(%(ids)s::text[])"""


def chosen_away(child: Repoint | RepointUnique, rows: ChildRows, row: str, member: str) -> str:
    """The condition that the choices put a row aside.

    An opt-out is put aside only for a chosen row of the same kind that has evidence.
    """
    chosen = "SELECT 1 FROM unnest(%(keep_merges)s::text[]::uuid[], %(keep_ids)s::text[]) AS s(merge_id, row_id)"
    away = (
        f"({member}.merge_id = ANY(%(choice_merges)s::text[]::uuid[]) "
        f"AND NOT EXISTS ({chosen} WHERE s.merge_id = {member}.merge_id AND s.row_id = {rows.id_text(row)})"
    )
    if isinstance(child, RepointUnique) and child.consent is not None:
        granted, evidence = identifier(child.consent.granted), identifier(child.consent.evidence)
        same = " AND ".join(f"x.{identifier(column)} = {row}.{identifier(column)}" for column in child.unique) or "TRUE"
        away += f""" AND ({row}.{granted} IS NOT FALSE OR EXISTS (
    {chosen} JOIN p q ON q.merge_id = s.merge_id
    JOIN {rows.rows} x ON {rows.owned("x", "q.tenant_id", "q.owner_id")} AND {rows.id_text("x")} = s.row_id
    WHERE s.merge_id = {member}.merge_id AND {same} AND nullif(btrim(x.{evidence}::text), '') IS NOT NULL))"""
    return away + ")"


MEMBERS = """p AS (
  SELECT merge_id, tenant_id, winner_id, loser_id AS owner_id, position FROM t
  UNION ALL SELECT DISTINCT merge_id, tenant_id, winner_id, winner_id, 0 FROM t)"""
"""The CTE `p`: the winner (position 0) and all losers of each merge."""
