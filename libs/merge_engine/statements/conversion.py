"""Statements that change a customer's type, and its id where that tells the type.

An id changes in ONE statement, in the record and in every row that names it: foreign keys are checked at the end of a
statement, so none of them is ever broken, whatever it says about updates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from customer_identity.merging.conversion import ConversionPolicy, PartyType
from merge_engine.plan_file import Plan
from merge_engine.plan_file.conversion import KeepContact
from merge_engine.statements.names import Names, identifier, literal
from merge_engine.statements.owners import ChildRows, row_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionStatements:
    """Parameters tenant, old and new (ids as text) unless said otherwise.

    read: (type as text, contact's type as text, who answers for the new id or null, primary contacts); also `contact`.
    change: by type; also `stored` and the columns of merge.conversions. Answers (version, rows of each of `tables`).
    add_contact: also `contact`; adds the relationship unless it is there.
    reopen, edge: switch off the new id's edge, and lead the old id to the new one (`conversion_id`).
    """

    policy: ConversionPolicy
    tables: tuple[str, ...]
    read: str
    change: dict[PartyType, str]
    add_contact: str | None
    reopen: str
    edge: str


def conversion_statements(plan: Plan, names: Names) -> ConversionStatements | None:
    """Compile a plan's conversion; None when it has none."""
    conversion, type_ = plan.conversion, plan.customer.type
    if conversion is None or type_ is None:
        return None
    prefix, contact = conversion.id_prefix, conversion.keep_contact
    others = _other_tables(plan, names) if prefix is not None else {}
    rows = None if contact is None else _contact_rows(plan, names, contact)
    return ConversionStatements(
        policy=ConversionPolicy(
            stored={
                PartyType.INDIVIDUAL: _text(type_.individual),
                PartyType.ORGANISATION: _text(type_.organisation),
            },
            prefixes=None
            if prefix is None
            else {PartyType.INDIVIDUAL: prefix.individual, PartyType.ORGANISATION: prefix.organisation},
            clears=conversion.clear,
            keeps_contact=contact is not None,
            protected=tuple(name for name in conversion.clear if name in plan.fields and plan.fields[name].protected),
        ),
        tables=tuple(others),
        read=_read(names, identifier(type_.column), contact, rows),
        change={
            PartyType.INDIVIDUAL: _change(plan, names, others, clears=()),
            PartyType.ORGANISATION: _change(plan, names, others, clears=conversion.clear),
        },
        add_contact=None if contact is None or rows is None else _add_contact(names, contact, rows),
        reopen=f"UPDATE {names.schema}.edges SET active = false "
        "WHERE active AND tenant_id = %(tenant)s AND loser_id = %(new)s",
        edge=f"INSERT INTO {names.schema}.edges (merge_id, tenant_id, loser_id, winner_id) "
        "VALUES (%(conversion_id)s::uuid, %(tenant)s, %(old)s, %(new)s)",
    )


def _read(names: Names, type_: str, contact: KeepContact | None, rows: ChildRows | None) -> str:
    tenant = names.typed_tenant("%(tenant)s::text")

    def of(column: str, parameter: str) -> str:
        found = names.match("c", tenant, names.typed_key(f"%({parameter})s::text"))
        return f"(SELECT {column}::text FROM {names.customers} c WHERE {found})"

    primary = "ARRAY[]::text[]"
    if contact is not None and rows is not None:
        owned = rows.owned("x", tenant, names.typed_key("%(old)s::text"))
        primary = (
            f"ARRAY(SELECT x.{identifier(contact.contact)}::text FROM {rows.rows} x "
            f"WHERE {owned}{_role(contact, 'x')} ORDER BY 1)"
        )
    mapped = (
        f"(SELECT k.canonical_id FROM {names.schema}.canonical k "
        "WHERE k.tenant_id = %(tenant)s AND k.customer_id = %(new)s)"
    )
    return f"""
SELECT {of(f"c.{type_}", "old")}, {of(f"c.{type_}", "contact")},
  coalesce({of(f"c.{names.key}", "new")}, {mapped}), {primary}"""


def _change(plan: Plan, names: Names, others: dict[str, str], *, clears: Sequence[str]) -> str:
    tenant, old = names.typed_tenant("%(tenant)s::text"), names.typed_key("%(old)s::text")
    itself = names.match("c", tenant, old)
    updates = "".join(f"t{place} AS ({statement}),\n" for place, statement in enumerate(others.values()))
    counts = "".join(f", (SELECT count(*) FROM t{place})" for place in range(len(others)))
    moved = ", ".join(f"{literal(name)}, (SELECT count(*) FROM t{place})" for place, name in enumerate(others))
    type_ = identifier(plan.customer.type.column) if plan.customer.type else ""
    own = {type_: "%(stored)s", **dict.fromkeys(map(identifier, clears), "NULL")}
    where = itself
    if plan.conversion is not None and plan.conversion.id_prefix is not None:
        own[names.key] = "%(new)s"
        naming = _self_references(plan, names, tenant, old)
        assignments = [
            f"{column} = CASE WHEN {itself} THEN {value} ELSE c.{column} END" for column, value in own.items()
        ]
        assignments += [f"{column} = CASE WHEN {owned} THEN %(new)s ELSE c.{column} END" for column, owned in naming]
        where = " OR ".join((f"({itself})", *(f"({owned})" for _, owned in naming)))
    else:
        assignments = [f"{column} = {value}" for column, value in own.items()]
    return f"""
WITH b AS (SELECT to_jsonb(c) AS image FROM {names.customers} c WHERE {itself}),
{updates}u AS (
  UPDATE {names.customers} c SET {names.changes("c", *assignments)} WHERE {where}
  RETURNING c.{names.key}::text AS id, {names.version("c")} AS version),
k AS (
  INSERT INTO {names.schema}.conversions (conversion_id, tenant_id, command_id, customer_id, new_id, from_type, to_type,
    relationship, cleared, moved, before, actor, reason, converted_at)
  SELECT %(conversion_id)s::uuid, %(tenant)s, %(command_id)s, %(old)s, %(new)s, %(from_type)s, %(to_type)s,
    %(contact)s, %(cleared)s::text[], jsonb_build_object({moved}), b.image, %(actor)s, %(reason)s, %(at)s FROM b)
SELECT (SELECT version FROM u WHERE id = %(new)s){counts}"""


def _other_tables(plan: Plan, names: Names) -> dict[str, str]:
    """Each table that names customers, with the statement that names this one by its new id."""
    tenant, old = names.typed_tenant("%(tenant)s::text"), names.typed_key("%(old)s::text")
    by_table: dict[str, list[ChildRows]] = {}
    for child in plan.children:
        if child.table != plan.customer.table:
            by_table.setdefault(child.table, []).append(ChildRows.of(child, names))
    statements = {}
    for name, entries in by_table.items():
        columns = _ways(entries, tenant, old)
        sets = ", ".join(f"{column} = CASE WHEN {way} THEN %(new)s ELSE c.{column} END" for column, way in columns)
        anywhere = " OR ".join(f"({way})" for _, way in columns)
        statements[name] = f"UPDATE {entries[0].rows} c SET {sets} WHERE {anywhere} RETURNING 1"
    return statements


def _self_references(plan: Plan, names: Names, tenant: str, old: str) -> list[tuple[str, str]]:
    entries = [ChildRows.of(child, names) for child in plan.children if child.table == plan.customer.table]
    ways = dict(_ways(entries, tenant, old))
    if plan.disposition.column is not None:
        link = identifier(plan.disposition.column)
        ways.setdefault(link, Names.matches("c", names.tenant, link, tenant, old))
    return list(ways.items())


def _ways(entries: Sequence[ChildRows], tenant: str, old: str) -> list[tuple[str, str]]:
    """Each column once, with the condition under which it names the customer."""
    ways: dict[str, list[str]] = {}
    for entry in entries:
        ways.setdefault(entry.key, []).append(entry.owned("c", tenant, old))
    return [(column, " OR ".join(f"({way})" for way in found)) for column, found in ways.items()]


def _contact_rows(plan: Plan, names: Names, contact: KeepContact) -> ChildRows:
    wanted = (contact.table, contact.customer)
    found = (child for child in plan.children if (child.table, child.customer or names.key_name) == wanted)
    return ChildRows.of(next(found), names)


def _add_contact(names: Names, contact: KeepContact, rows: ChildRows) -> str:
    tenant, new = names.typed_tenant("%(tenant)s::text"), names.typed_key("%(new)s::text")
    person = identifier(contact.contact)
    columns = {rows.key: rows.of_type(new), person: rows.of_type(names.typed_key("%(contact)s::text"))}
    if rows.tenant is not None:
        columns[rows.tenant] = tenant
    if contact.role is not None:
        columns[identifier(contact.role.column)] = literal(_text(contact.role.value))
    there = f"{rows.owned('x', tenant, new)} AND x.{person} = {columns[person]}{_role(contact, 'x')}"
    return (
        f"INSERT INTO {rows.rows} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
        f"WHERE NOT EXISTS (SELECT 1 FROM {rows.rows} x WHERE {there})"
    )


def _role(contact: KeepContact, alias: str) -> str:
    if contact.role is None:
        return ""
    return f" AND {row_condition(f'{alias}.{identifier(contact.role.column)}', contact.role.value)}"


def _text(value: bool | int | str) -> str:  # noqa: FBT001 -- a value of a plan
    """A value as PostgreSQL writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
