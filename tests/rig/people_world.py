"""A customer database with one table for every way of moving rows, and plans over it, for tests of the merge engine.

Customers have no version column, the key is a number, and children name it in columns of other names and types.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, text

from customer_identity.merging import (
    ActorRef,
    Merged,
    MergeOrder,
    Refused,
    RowChoice,
    Unmerged,
    UnmergeOrder,
)
from event_runtime.database import create_engine
from merge_engine import MergeEngine
from merge_engine.compiled_plan import compile_plan
from merge_engine.plan_file import Plan
from rig import databases
from rig.people_tables import DDL

ORG = "north"
ACTOR = ActorRef(id="test", roles=("merge",))

LINK = {"kind": "link", "column": "merged_into", "set": {"status": "MERGED", "email": None}}
INACTIVATE = {"kind": "inactivate", "set": {"status": "MERGED", "email": None}}
DELETE = {"kind": "delete"}

EMAILS = {
    "table": "people.emails",
    "customer": "person",
    "move": "repoint_unique",
    "unique": ["address"],
    "collision": {"policy": "keep_winner"},
}
TAGS = {
    "table": "people.tags",
    "customer": "person",
    "move": "repoint_unique",
    "row_id": ["org", "person", "tag"],
    "unique": ["tag"],
    "collision": {"policy": "keep_winner"},
    "choosable": True,
}
PREFERENCES = {
    "table": "people.preferences",
    "customer": "person",
    "move": "repoint_unique",
    "row_id": ["org", "person"],
    "unique": [],
    "collision": {"policy": "keep_loser"},
}
LEDGER = {"table": "people.points_ledger", "customer": "person", "move": "repoint"}
POINTS = {
    "table": "people.points",
    "customer": "person",
    "move": "sum_into_winner",
    "row_id": "id",
    "sum": ["points", "bonus"],
    "equals": {"points": {"table": "people.points_ledger", "column": "points"}},
}
CONSENTS = {
    "table": "people.consents",
    "customer": "person",
    "move": "repoint_unique",
    "unique": ["channel"],
    "collision": {"policy": "latest_evidence", "column": "said_at"},
    "consent": {"channel": "channel", "granted": "granted", "evidence": "evidence"},
    "choosable": True,
}
NOTES = {
    "table": "people.notes",
    "customer": "owner_id",
    "customer_type": "text",
    "move": "repoint",
    "where": {"owner_type": "Customer"},
}
RELATIONS = [
    {
        "table": "people.relations",
        "customer": one,
        "move": "repoint_unique",
        "unique": [other, "kind"],
        "collision": {"policy": "keep_winner"},
        "to_itself": "remove",
    }
    for one, other in (("person", "other"), ("other", "person"))
]
CHILDREN: tuple[Mapping[str, Any], ...] = (
    {"table": "people.customers", "customer": "parent", "move": "repoint", "row_id": ["org", "no"]},
    {"table": "people.orders", "customer": "buyer", "move": "repoint", "refresh": {"buyer_name": "name"}},
    {"table": "people.orders", "customer": "payer", "move": "repoint"},
    {"table": "people.orders", "customer": "agent", "move": "repoint", "facilitator": True},
    {**EMAILS, "one_flagged": "is_primary"},
    TAGS,
    PREFERENCES,
    CONSENTS,
    NOTES,
    LEDGER,
    POINTS,
    *RELATIONS,
    {"table": "people.subscriptions", "customer": "person", "move": "copy_missing", "unique": ["list"]},
    {"table": "people.visits", "customer": "visitor", "tenant": False, "move": "repoint"},
    {"table": "people.leases", "customer": "person", "move": "keep_on_loser"},
    {"table": "people.cases", "customer": "person", "move": "block_if_exists", "rule": "OPEN_CASE"},
)
DELETING = tuple(
    child for child in CHILDREN if child["move"] not in {"keep_on_loser", "copy_missing", "block_if_exists"}
)
"""A loser that is deleted keeps nothing."""
IGNORED_RULES = (
    "LEGAL_HOLD",
    "BLOCKED_IDENTIFIER_VALUE",
    "LOSER_HAS_LOGIN",
    "CURRENCY_MISMATCH",
    "LOYALTY_PROGRAM_DIFFERS",
    "BOTH_ACTIVELY_USED",
    "WINNER_EMAIL_UNCONFIRMED",
)


def engine_of(
    *children: Mapping[str, Any],
    disposition: Mapping[str, Any] = LINK,
    fields: Mapping[str, str] | None = None,
    version: str | None = None,
) -> MergeEngine:
    """An engine for a plan over these children; compiled once."""
    chosen = {"name": "WINNER_THEN_FILL", "email": "WINNER_THEN_FILL"} if fields is None else fields
    return _engine(json.dumps([children, disposition, chosen, version]))


@cache
def _engine(written: str) -> MergeEngine:
    children, disposition, fields, version = json.loads(written)
    plan = {
        "name": "people",
        "revision": 1,
        "customer": {
            "table": "people.customers",
            "key": {"column": "no", "type": "bigint"},
            "tenant": {"column": "org", "type": "text"},
            "version": version,
        },
        "disposition": disposition,
        "fields": fields,
        "children": children,
        "not_applicable": dict.fromkeys(IGNORED_RULES, "made up"),
    }
    return MergeEngine(compile_plan(Plan.model_validate(plan), "merge"), source="people")


def people_database() -> str:
    """The URL of a new database with the worker's schema and these tables."""
    url = databases.create(like=databases.migrated_template(("merge_worker",)))
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(DDL)
        # Rows that a merge makes take ids that no test gives.
        for table in ("points", "subscriptions"):
            connection.exec_driver_sql(f"SELECT setval('people.{table}_id_seq', 1000)")
    engine.dispose()
    return url


def people_engine() -> Iterator[Engine]:
    """An engine over a database of its own, which goes when a fixture that yields from this ends."""
    url = people_database()
    engine = create_engine(url)
    yield engine
    engine.dispose()
    databases.drop(url)


@contextmanager
def undone(engine: Engine) -> Iterator[Connection]:
    """A transaction of which nothing stays: the next test finds the database empty."""
    with engine.connect() as connection, connection.begin() as transaction:
        try:
            yield connection
        finally:
            transaction.rollback()


def people(connection: Connection, *numbers: int, **columns: object) -> None:
    """Insert customers."""
    for number in numbers:
        add(connection, "customers", no=number, **columns)


def add(connection: Connection, table: str, **columns: object) -> None:
    """Insert a row; `org` is filled in where the table has it."""
    values = columns if table == "visits" else {"org": ORG, **columns}
    names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO people.{table} ({names}) VALUES ({places})"), values)


def fill(connection: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows with all their columns, ids as well, by one statement."""
    images = [row if table == "visits" else {"org": ORG, **row} for row in rows]
    connection.execute(
        text(
            f"INSERT INTO people.{table} OVERRIDING SYSTEM VALUE SELECT n.* "
            f"FROM jsonb_populate_recordset(NULL::people.{table}, CAST(:images AS jsonb)) n"
        ),
        {"images": json.dumps(images)},
    )


def query(connection: Connection, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    """What a query answers."""
    return [tuple(row) for row in connection.execute(text(sql), parameters)]


def contents(connection: Connection) -> dict[str, list[str]]:
    """Every row of every table, as text and sorted."""
    tables = query(
        connection, "SELECT relname FROM pg_class WHERE relnamespace = 'people'::regnamespace AND relkind = 'r'"
    )
    return {
        table: [row for (row,) in query(connection, f"SELECT to_jsonb(t)::text FROM people.{table} t ORDER BY 1")]
        for (table,) in sorted(tables)
    }


def order(
    winner: int | None, *losers: int, choices: Mapping[str, Sequence[str]] | None = None, **more: Any
) -> MergeOrder:
    """A merge order with what a test does not care about filled in."""
    values: dict[str, Any] = {
        "tenant_id": ORG,
        "command_id": f"merge-{winner}-{losers}",
        "winner_id": None if winner is None else str(winner),
        "loser_ids": tuple(str(loser) for loser in losers),
        "requested_by": ACTOR,
        "reason": "test",
        "row_choices": tuple(
            RowChoice(table=table, keep_ids=tuple(keep_ids)) for table, keep_ids in (choices or {}).items()
        ),
    }
    return MergeOrder(**{**values, **more})


def merged(engine: MergeEngine, connection: Connection, merge_order: MergeOrder) -> Merged:
    """Carry an order out that must succeed."""
    (result,) = engine.merge(connection, [merge_order])
    assert isinstance(result, Merged), result
    return result


def refused(engine: MergeEngine, connection: Connection, merge_order: MergeOrder) -> list[str]:
    """The rules that an order fails."""
    (result,) = engine.merge(connection, [merge_order])
    assert isinstance(result, Refused), result
    return [error.rule for error in result.errors]


def unmerged(engine: MergeEngine, connection: Connection, merge: Merged, *loser_ids: str) -> Unmerged:
    """Take a merge apart, which must succeed."""
    undo = UnmergeOrder(
        tenant_id=ORG,
        command_id="undo",
        merge_id=merge.merge_id,
        loser_ids=loser_ids,
        requested_by=ACTOR,
        reason="wrong person",
    )
    result = engine.unmerge(connection, undo)
    assert isinstance(result, Unmerged), result
    return result
