"""Does the plan fit the database: keys covered, columns there, unique constraints provided for?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.plan_file import BothPresentRule, Child, ExistsRule, FlagRule, Plan, Repoint, RepointUnique

_TEXT = frozenset({"text", "character varying", "character"})
_NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision"})
_STRATEGY_TYPES = {"CONCAT": _TEXT, "MOST_RESTRICTIVE": frozenset({"boolean"})}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    type: str
    generated: bool


_Columns = Mapping[str, Mapping[str, _Column]]


def check(connection: Connection, compiled: CompiledPlan) -> list[str]:
    """One line per fault, each with its remedy; none when the plan fits."""
    plan = compiled.plan
    columns = _columns(connection, plan)
    missing = [*_missing_columns(plan, columns)]
    if missing:
        return missing
    return [
        *_wrong_types(plan, columns),
        *_uncovered_keys(connection, plan),
        *_unguarded_constraints(connection, plan),
        *_generated(plan, columns),
    ]


def _columns(connection: Connection, plan: Plan) -> _Columns:
    tables = [plan.customer.table, *(child.table for child in plan.children), *_other_tables(plan)]
    rows = connection.exec_driver_sql(
        """
SELECT n.nspname || '.' || c.relname, a.attname, format_type(a.atttypid, NULL), a.attgenerated <> ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname || '.' || c.relname = ANY(%(tables)s::text[])""",
        {"tables": tables},
    )
    found: dict[str, dict[str, _Column]] = {}
    for table, column, type_, generated in rows:
        found.setdefault(table, {})[column] = _Column(type=type_, generated=generated)
    return found


def _other_tables(plan: Plan) -> Iterator[str]:
    yield from (table for table, _ in _named_columns(plan))


def _missing_columns(plan: Plan, columns: _Columns) -> Iterator[str]:
    for table, column in dict.fromkeys(_named_columns(plan)):
        if table not in columns:
            yield f"{table}: there is no such table; correct the plan, or grant this role the right to see it"
        elif column not in columns[table]:
            yield f"{table}.{column}: there is no such column; one of: {', '.join(sorted(columns[table]))}"


def _named_columns(plan: Plan) -> Iterator[tuple[str, str]]:
    """Every (table, column) that the plan names."""
    own = plan.customer.table
    customer = [plan.customer.key.column, plan.customer.version, plan.disposition.column, *plan.disposition.set]
    customer += [plan.customer.tenant.column] if plan.customer.tenant else []
    customer += [plan.customer.updated_at] if plan.customer.updated_at else []
    customer += [*plan.fields, *(field.verified_column for field in plan.fields.values() if field.verified_column)]
    yield from ((own, column) for column in customer)
    for child in plan.children:
        yield from ((child.table, column) for column in _child_columns(plan, child))
    for rule in plan.rules:
        if isinstance(rule, ExistsRule):
            yield from ((rule.exists.table, column) for column in rule.exists.where)
        elif isinstance(rule, FlagRule):
            yield own, rule.flag.column
        elif isinstance(rule, BothPresentRule):
            yield own, rule.both_present.column
        else:
            yield rule.mismatch.table or own, rule.mismatch.column


def _child_columns(plan: Plan, child: Child) -> Iterator[str]:
    yield _key_column(plan, child)
    if plan.customer.tenant is not None:
        yield child.tenant or plan.customer.tenant.column
    if isinstance(child, Repoint):
        yield child.row_id
        if child.external_id is not None:
            yield from (child.external_id.system, child.external_id.id)
    elif isinstance(child, RepointUnique):
        yield from (child.row_id, *child.unique)
        yield from (column for column in (child.collision.column, child.one_flagged) if column is not None)
        if child.consent is not None:
            yield from (child.consent.channel, child.consent.granted, child.consent.evidence)
    else:
        yield from child.sum


def _key_column(plan: Plan, child: Child) -> str:
    return child.customer or plan.customer.key.column


def _wrong_types(plan: Plan, columns: _Columns) -> Iterator[str]:
    own = columns[plan.customer.table]
    for field, decided in plan.fields.items():
        allowed = _STRATEGY_TYPES.get(decided.strategy)
        if allowed is not None and own[field].type not in allowed:
            fitting = " or ".join(sorted(allowed))
            yield f"{plan.customer.table}.{field}: {decided.strategy} needs {fitting}, the column is {own[field].type}"
    if own[plan.customer.version].type not in _NUMBERS:
        yield f"{plan.customer.table}.{plan.customer.version}: a version must be a number"
    for child in plan.children:
        if not isinstance(child, Repoint | RepointUnique):
            for column in child.sum:
                if columns[child.table][column].type not in _NUMBERS:
                    yield f"{child.table}.{column}: only numbers can be summed"


def _uncovered_keys(connection: Connection, plan: Plan) -> Iterator[str]:
    """Foreign keys that reach the customer table and that no part of the plan moves."""
    moved = {(child.table, _key_column(plan, child)) for child in plan.children}
    moved.add((plan.customer.table, plan.disposition.column))
    rows = connection.exec_driver_sql(
        """
SELECT n.nspname || '.' || c.relname, f.conname,
  (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
   WHERE a.attrelid = f.conrelid AND a.attnum = ANY(f.conkey))
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace o ON o.oid = r.relnamespace
WHERE f.contype = 'f' AND f.conparentid = 0 AND o.nspname || '.' || r.relname = %(table)s ORDER BY 1, 2""",
        {"table": plan.customer.table},
    )
    for table, constraint, columns in rows:
        if table not in plan.ignore and not any((table, column) in moved for column in columns):
            names = ", ".join(columns)
            yield f"{table} ({names}): foreign key {constraint} is not covered; add the table under children or ignore"


def _unguarded_constraints(connection: Connection, plan: Plan) -> Iterator[str]:
    """Unique constraints over a column that moves: two customers' rows may collide there."""
    children = {child.table: child for child in plan.children}
    tenant = None if plan.customer.tenant is None else plan.customer.tenant.column
    rows = connection.exec_driver_sql(
        """
SELECT n.nspname || '.' || c.relname, i.relname,
  (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
   WHERE a.attrelid = c.oid AND a.attnum = ANY(x.indkey))
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.indisunique AND n.nspname || '.' || c.relname = ANY(%(tables)s::text[]) ORDER BY 1, 2""",
        {"tables": list(children)},
    )
    for table, index, columns in rows:
        child = children[table]
        if _key_column(plan, child) not in (columns or ()):
            continue
        others = set(columns) - {_key_column(plan, child), child.tenant or tenant}
        if isinstance(child, Repoint):
            yield f"{table}: {index} makes moved rows collide; use repoint_unique with a collision policy"
        elif isinstance(child, RepointUnique) and not set(child.unique) <= others:
            yield f"{table}: {index} is over {', '.join(sorted(others))}; the plan's unique columns must be among them"


def _generated(plan: Plan, columns: _Columns) -> Iterator[str]:
    """Rows that are put aside are inserted again when a merge is undone, which generated columns refuse."""
    for child in plan.children:
        generated = [name for name, column in columns[child.table].items() if column.generated]
        if generated and not isinstance(child, Repoint):
            yield f"{child.table}: rows with generated columns ({', '.join(generated)}) cannot be put aside"
