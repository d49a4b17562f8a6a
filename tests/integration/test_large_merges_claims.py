"""Which large merge a mover takes, however the database goes about finding it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from customer_identity.merging import Merged
from event_runtime.database import create_engine
from rig.customer_rows import customer, order
from rig.large_customers import engine_with, many_orders


@pytest.fixture
def database(migrated: Callable[..., str]) -> Iterator[Engine]:
    engine = create_engine(migrated("customer_merge_demo.store", "merge_worker"))
    yield engine
    engine.dispose()


def test_a_mover_takes_one_merge_at_a_time(database: Engine, tmp_path: Path) -> None:
    engine = engine_with(tmp_path, inline_rows=2)
    large = []
    with database.begin() as connection:
        for one in "abcdef":
            customer(connection, one)
            many_orders(connection, one, 3)
        for winner, loser in ("ab", "cd", "ef"):
            (result,) = engine.merge(connection, [order(winner, loser)])
            assert isinstance(result, Merged)
            assert result.rows == "MOVING"
            large.append(result.merge_id)
            if len(large) == 1:
                # A planner that knows of one row only looks for free merges once for each that there is.
                connection.exec_driver_sql("ANALYZE merge.large_merges")
        claims = [engine.large.claim(connection, "test", timedelta(minutes=1)) for _ in range(4)]
    assert [lease and lease.merge_id for lease in claims] == [*large, None]
