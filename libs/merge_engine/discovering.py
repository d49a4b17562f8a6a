"""The draft of a merge plan, written from a live schema: every foreign key that reaches the customers, and suspects.

Pure: a schema in, YAML with remarks out. What the schema cannot say stands in a remark for the reader to decide.
"""

import re
from collections.abc import Iterable, Iterator

import yaml

from merge_engine.guessing import (
    ChildGuess,
    CustomerGuess,
    customer_columns,
    guess_child,
    guess_children,
    guess_customer,
    guess_fields,
)
from merge_engine.live_schema import LiveSchema
from merge_engine.statements.names import identifier
from merge_engine.suspects import Suspect, find_suspects

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def draft_plan(schema: LiveSchema, *, name: str | None = None, customer_table: str | None = None) -> str:
    """Return a plan in YAML that covers every declared key, with the suspects as remarks.

    Raises:
        PlanError: the customer table is not found, or cannot be merged by.
    """
    customer = guess_customer(schema, customer_table)
    children = list(guess_children(schema, customer))
    suspects = list(find_suspects(schema, customer.table, customer.key))
    lines = [
        f"# Drafted from the schema of {customer.table.name}. Read every line: the schema cannot know what you mean.",
        "# Then hold it against the database with `merge-worker plan check`, and try `merge-worker preview`.",
        f"name: {_flow(name or _schema_of(customer))}",
        "revision: 1",
        "undo_window_days: 30",
        "",
        *_customer(customer),
        "",
        *_disposition(customer),
        "",
        "# What becomes of the winner's own fields. Columns left out here never change.",
        "fields:" if guess_fields(customer) else "fields: {}",
        *(f"  {_flow(field)}: {_flow(strategy)}" for field, strategy in guess_fields(customer).items()),
        "",
        "children:" if children else "children: []",
        *(line for child in children for line in _child(child, customer)),
        *_suspects(suspects, schema, customer),
        "",
        "# What may stop a merge; every form and every shipped rule stands in docs/rules.md.",
        "rules: []",
        "",
        *_winner(customer),
        *_display(customer),
    ]
    return "\n".join(lines).rstrip() + "\n"


_ADD_LINK = "merged_into"


def _schema_of(customer: CustomerGuess) -> str:
    schema, _, table = customer.table.name.partition(".")
    return table if schema == "public" else schema


def _customer(customer: CustomerGuess) -> Iterator[str]:
    yield "customer:"
    yield f"  table: {_flow(customer.table.name)}"
    yield f"  key: {_flow({'column': customer.key, 'type': customer.key_type})}"
    if customer.tenant is not None:
        yield f"  tenant: {_flow({'column': customer.tenant, 'type': customer.tenant_type})}"
    if customer.version is None:
        yield "  # There is no version column: a hash of the row serves as its version."
    else:
        yield f"  version: {_flow(customer.version)}"
    if customer.updated_at is not None:
        yield f"  updated_at: {_flow(customer.updated_at)}"


def _disposition(customer: CustomerGuess) -> Iterator[str]:
    yield "# What becomes of a loser's record: link (kept, points at the winner), inactivate (kept, marked) or delete."
    yield "disposition:"
    if customer.link is not None:
        yield "  kind: link"
        yield f"  column: {_flow(customer.link)}"
        if customer.inactive:
            yield f"  set: {_flow(dict(customer.inactive))}"
    elif customer.inactive:
        yield "  kind: inactivate"
        yield f"  set: {_flow(dict(customer.inactive))}"
    else:
        type_ = customer.table.columns[customer.key].type
        yield "  # The table has no column for it yet:"
        yield f"  #   ALTER TABLE {_in_sql(customer.table.name)} ADD COLUMN {_ADD_LINK} {type_};"
        yield "  kind: link"
        yield f"  column: {_ADD_LINK}"


def _in_sql(name: str) -> str:
    """A schema.table as a person types it: quoted where it must be."""
    parts = name.split(".", 1)
    return ".".join(part if _PLAIN.fullmatch(part) else identifier(part) for part in parts)


def _child(child: ChildGuess, customer: CustomerGuess) -> Iterator[str]:
    first, *rest = _child_lines(child, customer)
    yield f"  - {first}"
    yield from (f"    {line}" for line in rest)


def _child_lines(child: ChildGuess, customer: CustomerGuess) -> Iterator[str]:
    yield f"table: {_flow(child.table.name)}"
    if child.column != customer.key:
        yield f"customer: {_flow(child.column)}"
    if customer.tenant is not None and child.tenant != customer.tenant:
        yield f"tenant: {_flow(child.tenant or False)}"
    if child.why:
        yield f"move: {child.move}  # {child.why}"
    else:
        yield f"move: {child.move}"
    if child.move == "sum_into_winner":
        yield f"sum: {_flow(list(child.sums))}"
        if len(child.row_id) == 1 and child.row_id[0] != child.column:
            yield f"row_id: {_flow(child.row_id[0])}"
        return
    if not child.row_id:
        yield "# The table has no primary key: name the columns that tell its rows apart."
        yield "row_id: []"
    elif child.row_id != ("id",):
        yield f"row_id: {_flow(child.row_id[0] if len(child.row_id) == 1 else list(child.row_id))}"
    if child.move == "repoint_unique":
        yield f"unique: {_flow(list(child.unique))}"
        stays = ", losing_rows: keep_on_loser}  # other tables refer to these rows" if child.stays else "}"
        yield f"collision: {{policy: keep_winner{stays}"


def _suspects(suspects: Iterable[Suspect], schema: LiveSchema, customer: CustomerGuess) -> Iterator[str]:
    """Suspects as remarks: a guess must not move rows of a table that has nothing to do with customers."""
    found = list(suspects)
    if not found:
        return
    yield ""
    yield "# No foreign key says so, but these columns may hold customer ids. `plan check` fails until each is a child"
    yield "# (take the # away, put it under children) or is ignored with the reason."
    for suspect in found:
        table = schema.tables[suspect.table]
        tenant = customer.tenant if customer.tenant in table.columns else None
        child = guess_child(table, suspect.column, tenant)
        yield f"# {suspect.table}.{suspect.column}: {suspect.why.value}"
        lines = list(_child_lines(child, customer))
        if suspect.kind_column is not None:
            lines.append(f"where: {_flow({suspect.kind_column: '?'})}")
        yield from (f"#  {'- ' if at == 0 else '  '}{line}" for at, line in enumerate(lines))
    yield "# ignore:"
    yield from (f"#   {_flow(f'{suspect.table}.{suspect.column}')}: the reason" for suspect in found)


def _winner(customer: CustomerGuess) -> Iterator[str]:
    oldest = next((field for field, strategy in guess_fields(customer).items() if strategy == "MIN"), None)
    if oldest is not None:
        yield "# Who survives when a command names nobody; at last the smallest id."
        yield "winner:"
        yield f"  - lowest: {_flow(oldest)}"
        yield ""


def _display(customer: CustomerGuess) -> Iterator[str]:
    columns = customer_columns(customer.table)
    names = [columns[part] for part in ("given_name", "family_name") if part in columns]
    identifiers = [{"kind": kind, "column": columns[kind]} for kind in ("email", "phone") if kind in columns]
    if not columns:
        return
    yield "# What lists of customers show, and what can be searched."
    yield "display:"
    if "full_name" in columns:
        yield f"  full_name: {_flow(columns['full_name'])}"
    if names:
        yield f"  name_parts: {_flow(names)}"
    if identifiers:
        yield "  identifiers:"
        yield from (f"    - {_flow(identifier)}" for identifier in identifiers)
    if "postal_code" in columns:
        yield f"  postal_code: {_flow({'column': columns['postal_code']})}"


def _flow(value: object) -> str:
    """A value as YAML on one line, quoted where YAML would read something else."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
