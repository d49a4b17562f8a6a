"""What a database looks like: tables, columns, keys. Read once, so that a plan is drafted and checked on values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; `type` is PostgreSQL's name of it without modifiers. A `generated` one is computed by the database."""

    name: str
    type: str
    nullable: bool
    generated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueKey:
    """A unique constraint or index, partial ones included. `columns` leaves expressions out."""

    name: str
    columns: tuple[str, ...]
    primary: bool
    partial: bool
    expressions: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key: `columns` of the table refer to `target_columns` of `target`."""

    name: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    cascades: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTable:
    """A table with all that matters to a merge; `name` is schema.table."""

    name: str
    columns: Mapping[str, Column]
    unique: tuple[UniqueKey, ...] = ()
    foreign: tuple[ForeignKey, ...] = ()

    @property
    def primary(self) -> tuple[str, ...]:
        """The columns of the primary key, in its order; none when there is no such key."""
        return next((key.columns for key in self.unique if key.primary), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSchema:
    """The tables that this role can see, by name, the system's own left out."""

    tables: Mapping[str, LiveTable] = field(default_factory=dict)

    def referring_to(self, target: str) -> list[tuple[LiveTable, ForeignKey]]:
        """Every foreign key that reaches a table, by table and name."""
        return [
            (table, key)
            for _, table in sorted(self.tables.items())
            for key in sorted(table.foreign, key=lambda key: key.name)
            if key.target == target
        ]


def load_schema(connection: Connection, *, without: Sequence[str] = ()) -> LiveSchema:
    """Read all ordinary and partitioned tables; partitions count as their parent. `without` names schemas left out."""
    parameters = {"without": list(without)}
    columns: dict[str, dict[str, Column]] = {}
    for table, name, type_, nullable, generated in connection.exec_driver_sql(_COLUMNS, parameters):
        columns.setdefault(table, {})[name] = Column(name=name, type=type_, nullable=nullable, generated=generated)
    unique: dict[str, list[UniqueKey]] = {}
    for table, name, of, primary, partial, expressions in connection.exec_driver_sql(_UNIQUE, parameters):
        key = UniqueKey(name=name, columns=tuple(of or ()), primary=primary, partial=partial, expressions=expressions)
        unique.setdefault(table, []).append(key)
    foreign: dict[str, list[ForeignKey]] = {}
    for table, name, of, target, target_columns, cascades in connection.exec_driver_sql(_FOREIGN, parameters):
        foreign.setdefault(table, []).append(
            ForeignKey(
                name=name,
                columns=tuple(of),
                target=target,
                target_columns=tuple(target_columns),
                cascades=cascades,
            )
        )
    return LiveSchema(
        tables={
            name: LiveTable(
                name=name,
                columns=of,
                unique=tuple(unique.get(name, ())),
                foreign=tuple(foreign.get(name, ())),
            )
            for name, of in columns.items()
        }
    )


_TABLES = """
tables AS (
  SELECT c.oid, n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'information_schema'
    AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> ALL(%(without)s::text[]))"""

_COLUMNS = f"""
WITH {_TABLES}
SELECT t.name, a.attname::text, format_type(a.atttypid, NULL), NOT a.attnotnull,
  a.attgenerated <> ''
FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY t.name, a.attnum"""

_UNIQUE = f"""
WITH {_TABLES}
SELECT t.name, i.relname::text,
  (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(x.indkey) WITH ORDINALITY AS k(attnum, place)
   JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum WHERE k.place <= x.indnkeyatts),
  x.indisprimary, x.indpred IS NOT NULL, x.indexprs IS NOT NULL
FROM tables t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
WHERE x.indisunique ORDER BY t.name, NOT x.indisprimary, i.relname"""

# A partition may have keys that its parent does not declare: they count as the parent's.
_FOREIGN = f"""
WITH {_TABLES},
keys AS (
  SELECT coalesce(pg_partition_root(f.conrelid)::oid, f.conrelid) AS owner, f.* FROM pg_constraint f
  WHERE f.contype = 'f' AND f.conparentid = 0),
named AS (
  SELECT k.owner, k.conname::text AS name, k.confrelid, k.confdeltype = 'c' AS cascades,
    (SELECT array_agg(a.attname::text ORDER BY c.place) FROM unnest(k.conkey) WITH ORDINALITY AS c(attnum, place)
     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.attnum) AS columns,
    (SELECT array_agg(a.attname::text ORDER BY c.place) FROM unnest(k.confkey) WITH ORDINALITY AS c(attnum, place)
     JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.attnum) AS target_columns
  FROM keys k)
SELECT t.name, min(k.name), k.columns, r.name, k.target_columns, bool_or(k.cascades)
FROM named k JOIN tables t ON t.oid = k.owner JOIN tables r ON r.oid = k.confrelid
GROUP BY t.name, k.columns, r.name, k.target_columns ORDER BY 1, 2"""
