"""Transactions that meet: the second one is seen waiting for a lock of the first before that commits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from event_runtime.database import sqlstate
from merge_engine import RootMoved
from rig.customer_rows import rows
from rig.processes import eventually

Result = TypeVar("Result")
First = TypeVar("First")
Second = TypeVar("Second")
_AGAIN = frozenset({"40001", "40P01"})
_ATTEMPTS = 20


def wait_until_blocked(database: Engine, transactions: int = 1) -> None:
    """Return once that many transactions of this database wait for a lock."""

    def blocked() -> bool:
        # A new transaction for each look: within one, pg_stat_activity lists only who was connected at its first.
        with database.connect() as connection:
            found = rows(
                connection,
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
        return bool(found[0][0] == transactions)

    eventually(blocked, 20)


def until_done(database: Engine, work: Callable[[Connection], Result]) -> Result:
    """The worker's loop in small: the whole transaction again after a deadlock or a moved root."""
    for _ in range(_ATTEMPTS):
        try:
            with database.begin() as connection:
                return work(connection)
        except RootMoved:
            continue
        except (DBAPIError, psycopg.Error) as error:
            if sqlstate(error) not in _AGAIN:
                raise
    raise AssertionError(f"{_ATTEMPTS} attempts were not enough")


def meet(
    database: Engine, first: Callable[[Connection], First], second: Callable[[Connection], Second]
) -> tuple[First, Second]:
    """Both results: the second transaction begins when the first has done its work, and waits until it commits."""
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            done = first(connection)
            waiting = pool.submit(until_done, database, second)
            wait_until_blocked(database)
        return done, waiting.result(timeout=20)
