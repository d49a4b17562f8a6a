"""The engine works in its caller's transaction, whichever way the caller has of beginning one."""

from sqlalchemy import Engine

from customer_identity.merging import Merged
from merge_engine import MergeEngine
from rig.customer_rows import TENANT, order, rich_customers


def test_a_transaction_that_nobody_began_begins_with_the_merge_and_is_the_callers_to_commit(database: Engine) -> None:
    merge_engine = MergeEngine.load("default")
    rich_customers(database, "ab")
    with database.connect() as connection:
        (result,) = merge_engine.merge(connection, [order("a", "b")])
        assert isinstance(result, Merged)
        assert connection.in_transaction()
        connection.commit()
    with database.connect() as connection:
        assert merge_engine.canonical(connection, TENANT, ["b"])["b"].canonical_id == "a"
