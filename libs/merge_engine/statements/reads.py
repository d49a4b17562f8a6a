"""Statements that show customers: lists, searches, one in full."""

from dataclasses import dataclass

from merge_engine.plan_file import ColumnOf, IdentifierPlan, Plan
from merge_engine.statements.names import Names, identifier, table
from merge_engine.statements.owners import ChildRows, belongs


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatements:
    """Statements with the parameters tenants and ids (lists of equal length) unless said otherwise.

    records answers (id, version, status, source, full name, parts, link, fields as JSON). identifiers holds, by kind,
    statements that answer (id, value, verified). search holds conditions on the customer row `c` by criterion, whose
    parameter bears the criterion's name. `counts` answers (table, rows).
    """

    records: str
    identifiers: tuple[tuple[str, str], ...]
    search_from: str
    search_to: str
    conditions: dict[str, str]
    counts: str
    merges: str
    merged_accounts: str


def read_statements(plan: Plan, names: Names) -> ReadStatements:
    """Compile what the plan's display part and its children say."""
    merge, display = names.schema, plan.display
    parts = ", ".join(f"c.{identifier(part)}::text" for part in display.name_parts)
    fields = "".join(f", {_text(field)}" for field in plan.fields)
    source = (
        f"unnest({names.tenants('tenants')}, {names.keys('ids')}) AS n(tenant_id, customer_id) "
        f"JOIN {names.customers} c ON {names.match('c', 'n.tenant_id', 'n.customer_id')}"
    )
    tenant = "" if names.tenant is None else f"c.{names.tenant} = {names.typed_tenant('%(tenant)s::text')} AND "
    return ReadStatements(
        records=f"""
SELECT c.{names.key}::text, {names.version("c")}, {_text(display.status)}, {_text(display.source)},
  {_text(display.full_name)},
  concat_ws(' ', NULL{", " + parts if parts else ""}), {_merged_into(plan, names)}, ARRAY[NULL{fields}]::text[]
FROM {source} ORDER BY 1""",
        identifiers=tuple((found.kind, _identifier(found, plan, names, source)) for found in display.identifiers),
        search_from=f"SELECT c.{names.key}::text FROM {names.customers} c WHERE {tenant}",
        search_to=" ORDER BY 1 LIMIT %(limit)s",
        conditions=_conditions(plan, names),
        counts=" UNION ALL ".join(
            f"SELECT '{number}', count(*) FROM unnest({names.tenants('tenants')}, {names.keys('ids')}) "
            f"AS n(tenant_id, customer_id) JOIN {rows.rows} x ON {rows.owned('x', 'n.tenant_id', 'n.customer_id')}"
            for number, rows in enumerate(ChildRows.of(child, names) for child in plan.children)
        ),
        merges=f"""
SELECT m.merge_id::text, m.tenant_id, m.command_id, m.state, m.winner_id, m.actor, m.reason, m.policy_version,
  m.candidate_id, m.merged_at, m.undoable_until,
  (SELECT array_agg(e.loser_id ORDER BY e.loser_id) FROM {merge}.edges e WHERE e.merge_id = m.merge_id), m.erased_at
FROM {merge}.merges m WHERE m.merge_id = %(merge_id)s::uuid""",
        merged_accounts=f"""
SELECT k.customer_id, k.direct_to, m.merge_id::text, m.merged_at, m.actor, m.reason
FROM {merge}.canonical k
JOIN {merge}.edges e ON e.active AND e.tenant_id = k.tenant_id AND e.loser_id = k.customer_id
JOIN {merge}.merges m ON m.merge_id = e.merge_id
WHERE k.tenant_id = %(tenant)s AND k.canonical_id = %(id)s AND k.customer_id <> %(id)s ORDER BY m.merged_at, 1""",
    )


def _merged_into(plan: Plan, names: Names) -> str:
    """The root of a record that was merged away: its own link, or where records have none, what the map says."""
    if plan.disposition.column is not None:
        return f"c.{identifier(plan.disposition.column)}::text"
    tenant = "" if names.tenant is None else f"k.tenant_id = c.{names.tenant}::text AND "
    return (
        f"(SELECT k.canonical_id FROM {names.schema}.canonical k WHERE {tenant}k.customer_id = c.{names.key}::text "
        "AND k.canonical_id <> k.customer_id LIMIT 1)"
    )


def _text(column: str | None) -> str:
    return "NULL::text" if column is None else f"c.{identifier(column)}::text"


def _identifier(found: IdentifierPlan, plan: Plan, names: Names, source: str) -> str:
    if found.table is None:
        column = f"c.{identifier(found.column)}"
        return f"SELECT c.{names.key}::text, {column}::text, NULL::boolean FROM {source} WHERE {column} IS NOT NULL"
    verified = "NULL::boolean" if found.verified is None else f"x.{identifier(found.verified)}"
    return (
        f"SELECT c.{names.key}::text, x.{identifier(found.column)}::text, {verified} FROM {source} "
        f"JOIN {table(found.table)} x ON {_owned(plan, names, found.table)} ORDER BY 1, 2"
    )


def _conditions(plan: Plan, names: Names) -> dict[str, str]:
    display = plan.display
    conditions = {"customer_id": f"c.{names.key}::text = %(customer_id)s"}
    named = [column for column in (display.full_name, *display.name_parts) if column is not None]
    if named:
        # A name is found by the beginning of any of its words.
        any_column = " OR ".join(f"' ' || c.{identifier(column)} ILIKE %(name)s" for column in named)
        conditions["name"] = f"({any_column})"
    for found in display.identifiers:
        column = f"{'c' if found.table is None else 'x'}.{identifier(found.search_column or found.column)}"
        conditions[found.kind] = _holds(plan, names, found.table, f"{column}::text = ANY(%({found.kind})s::text[])")
    if display.postal_code is not None:
        conditions["postal_code"] = _postal_code(plan, names, display.postal_code)
    return conditions


def _postal_code(plan: Plan, names: Names, source: ColumnOf) -> str:
    column = f"{'c' if source.table is None else 'x'}.{identifier(source.column)}"
    return _holds(plan, names, source.table, f"{column}::text = %(postal_code)s")


def _holds(plan: Plan, names: Names, table_name: str | None, condition: str) -> str:
    if table_name is None:
        return condition
    return f"EXISTS (SELECT 1 FROM {table(table_name)} x WHERE {_owned(plan, names, table_name)} AND {condition})"


def _owned(plan: Plan, names: Names, table_name: str) -> str:
    children = [child for child in plan.children if child.table == table_name]
    return belongs(names, children, "x", f"c.{names.tenant}", f"c.{names.key}")


def canonical_customers(names: Names, view: str) -> str:
    """A view of the customers that answer for themselves: each person once, for mailings and for counting people."""
    same_tenant = "" if names.tenant is None else f"k.tenant_id = c.{names.tenant}::text AND "
    # The text is not run with parameters, so a doubled percent sign in a name is one again.
    return f"""CREATE OR REPLACE VIEW {table(view)} AS
SELECT c.* FROM {names.customers} c
 WHERE NOT EXISTS (SELECT 1 FROM {names.schema}.canonical k
                    WHERE {same_tenant}k.customer_id = c.{names.key}::text AND k.canonical_id <> k.customer_id);
""".replace("%%", "%")
