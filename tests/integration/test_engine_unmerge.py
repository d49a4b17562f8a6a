"""Merges taken apart again: what goes back, what stays, and what is reported."""

from sqlalchemy import Connection, Engine

from customer_identity.merging import (
    Conflict,
    Kept,
    Noop,
    Redirect,
    Refused,
    Unmerged,
    UnmergeMode,
    UnmergeResult,
    VersionedId,
)
from merge_engine import Canonical, MergeEngine, MergeState
from rig.customer_rows import TENANT, contents, customer, insert, order, rich_customer, rows
from rig.taking_apart import merge_now, undo

DEFAULT = MergeEngine.load("default")


def _consent(connection: Connection, customer_id: str, *, granted: bool) -> None:
    insert(
        connection,
        "consents",
        tenant_id=TENANT,
        customer_id=customer_id,
        channel="email",
        granted=granted,
        evidence="x",
    )


def test_a_merge_taken_apart_at_once_leaves_every_table_as_it_was(database: Engine) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a", notes="calls late", gender="f")
        rich_customer(connection, "b", notes="likes tea", occupation="baker", created_at="2020-01-01T00:00:00Z")
        _consent(connection, "a", granted=True)
        _consent(connection, "b", granted=False)
        before = contents(connection)
    merged = merge_now(DEFAULT, database, order("a", "b"))
    with database.begin() as connection:
        undone = DEFAULT.unmerge(connection, undo(merged.merge_id))
        assert contents(connection) == before
        assert list(DEFAULT.verify(connection)) == []
        record = DEFAULT.merge_record(connection, merged.merge_id)
    assert isinstance(undone, Unmerged)
    assert undone.restored == (VersionedId(id="b", version=3),)
    assert undone.redirects == (Redirect(from_id="b", direct_to="b", canonical="b", version=2),)
    assert (undone.kept, undone.conflicts) == ((), ())
    assert undone.recomputed_fields == ("occupation", "notes", "created_at")
    assert sum(returned.rows for returned in undone.returned) == 15
    assert record is not None
    assert record.state is MergeState.UNMERGED


def test_several_losers_taken_apart_at_once_leave_every_table_as_it_was(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "w")
        for customer_id in "xyz":
            rich_customer(connection, customer_id, notes=f"note {customer_id}")
        before = contents(connection)
    merged = merge_now(DEFAULT, database, order("w", "y", "z", "x"))
    with database.begin() as connection:
        undone = DEFAULT.unmerge(connection, undo(merged.merge_id))
        assert isinstance(undone, Unmerged)
        assert (undone.kept, undone.conflicts) == ((), ())
        assert contents(connection) == before


def test_one_of_several_losers_can_go_alone_and_the_winner_keeps_what_the_others_say(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "w")
        customer(connection, "x", occupation="baker", notes="from x")
        customer(connection, "y", occupation="smith", notes="from y")
    merged = merge_now(DEFAULT, database, order("w", "x", "y"))
    with database.begin() as connection:
        undone = DEFAULT.unmerge(connection, undo(merged.merge_id, "x"))
        assert isinstance(undone, Unmerged)
        assert undone.recomputed_fields == ("occupation", "notes")
        assert rows(connection, "SELECT occupation, notes FROM store.customers WHERE customer_id = 'w'") == [
            ("smith", "from y")
        ]
        record = DEFAULT.merge_record(connection, merged.merge_id)
        assert record is not None
        assert record.state is MergeState.PARTLY_UNMERGED
        assert isinstance(DEFAULT.unmerge(connection, undo(merged.merge_id, "x")), Noop)
        again = DEFAULT.unmerge(connection, undo(merged.merge_id))
        assert isinstance(again, Unmerged)
        assert [restored.id for restored in again.restored] == ["y"]
        assert list(DEFAULT.verify(connection)) == []


def test_a_restored_pair_is_not_merged_again_by_anybody_who_does_not_know(database: Engine) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a")
        rich_customer(connection, "b")
    merged = merge_now(DEFAULT, database, order("a", "b"))
    with database.begin() as connection:
        DEFAULT.unmerge(connection, undo(merged.merge_id))
        (again,) = DEFAULT.merge(connection, [order("b", "a")])
    assert isinstance(again, Refused)
    assert [error.rule for error in again.errors] == ["NOT_DUPLICATE_ASSERTED"]


def test_rows_written_later_under_the_losers_id_return_and_the_winners_own_stay(database: Engine) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a")
        rich_customer(connection, "b")
    merged = merge_now(DEFAULT, database, order("a", "b"))
    sale = {"tenant_id": TENANT, "status": "PAID", "total_cents": 5}
    with database.begin() as connection:
        insert(connection, "orders", customer_id="b", order_number="swept", **sale)
        assert DEFAULT.reconcile(connection, 10) == 1
        insert(connection, "orders", customer_id="b", order_number="unswept", **sale)
        insert(connection, "orders", customer_id="a", order_number="winner", **sale)
    with database.begin() as connection:
        DEFAULT.unmerge(connection, undo(merged.merge_id))
        later = "SELECT order_number, customer_id FROM store.orders WHERE order_number !~ '-' ORDER BY 1"
        assert rows(connection, later) == [("swept", "b"), ("unswept", "b"), ("winner", "a")]


def test_rows_swept_up_a_chain_go_back_one_step_with_each_undo(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abc":
            rich_customer(connection, customer_id)
    first = merge_now(DEFAULT, database, order("b", "a"))
    second = merge_now(DEFAULT, database, order("c", "b"))
    where = "SELECT customer_id FROM store.orders WHERE order_number = 'late'"
    with database.begin() as connection:
        insert(
            connection,
            "orders",
            tenant_id=TENANT,
            customer_id="a",
            order_number="late",
            status="PAID",
            total_cents=5,
        )
        assert DEFAULT.reconcile(connection, 10) == 1
        assert rows(connection, where) == [("c",)]
        DEFAULT.unmerge(connection, undo(second.merge_id))
        assert rows(connection, where) == [("b",)]
        DEFAULT.unmerge(connection, undo(first.merge_id))
        assert rows(connection, where) == [("a",)]


def test_a_merge_that_others_were_built_on_names_them_and_stays(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abcd":
            rich_customer(connection, customer_id)
        before = contents(connection)
    first = merge_now(DEFAULT, database, order("b", "a"))
    second = merge_now(DEFAULT, database, order("c", "b"))
    third = merge_now(DEFAULT, database, order("d", "c"))
    with database.begin() as connection:
        refused = DEFAULT.unmerge(connection, undo(first.merge_id))
        assert isinstance(refused, Refused)
        assert refused.errors[0].rule == "UNMERGE_NEWER_FIRST"
        assert refused.errors[0].remediation == f"unmerge first: {third.merge_id}, {second.merge_id}"
        assert DEFAULT.canonical(connection, TENANT, ["a"])["a"] == Canonical(canonical_id="d", version=3)
        for merge in (third, second, first):
            assert isinstance(DEFAULT.unmerge(connection, undo(merge.merge_id)), Unmerged)
        assert contents(connection) == before
        assert DEFAULT.canonical(connection, TENANT, ["a"])["a"] == Canonical(canonical_id="a", version=6)


def test_a_newer_merge_that_put_rows_aside_for_these_must_go_first(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "w")
        rich_customer(connection, "x")
        rich_customer(connection, "y")
    first = merge_now(DEFAULT, database, order("w", "x"))
    second = merge_now(DEFAULT, database, order("w", "y"))
    with database.begin() as connection:
        refused = DEFAULT.unmerge(connection, undo(first.merge_id))
        assert isinstance(refused, Refused)
        assert refused.errors[0].remediation == f"unmerge first: {second.merge_id}"


def test_a_newer_merge_that_touched_none_of_these_rows_may_stay(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "w")
        customer(connection, "x", occupation="baker")
        customer(connection, "y", occupation="smith")
    first = merge_now(DEFAULT, database, order("w", "x"))
    merge_now(DEFAULT, database, order("w", "y"))
    with database.begin() as connection:
        assert isinstance(DEFAULT.unmerge(connection, undo(first.merge_id)), Unmerged)
        assert rows(connection, "SELECT occupation FROM store.customers WHERE customer_id = 'w'") == [("smith",)]
        assert list(DEFAULT.verify(connection)) == []


def test_a_subtree_returns_with_its_root(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abc":
            rich_customer(connection, customer_id)
    merge_now(DEFAULT, database, order("b", "a"))
    second = merge_now(DEFAULT, database, order("c", "b"))
    with database.begin() as connection:
        undone = DEFAULT.unmerge(connection, undo(second.merge_id))
        assert isinstance(undone, Unmerged)
        assert undone.redirects == (
            Redirect(from_id="b", direct_to="b", canonical="b", version=2),
            Redirect(from_id="a", direct_to="b", canonical="b", version=3),
        )
        assert rows(connection, "SELECT customer_id, merged_into FROM store.customers ORDER BY 1") == [
            ("a", "b"),
            ("b", None),
            ("c", None),
        ]
        assert list(DEFAULT.verify(connection)) == []


def test_what_changed_since_is_left_alone_and_listed(database: Engine) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a")
        rich_customer(connection, "b", occupation="baker")
        rich_customer(connection, "c")
    merged = merge_now(DEFAULT, database, order("a", "b"))
    with database.begin() as connection:
        change = connection.exec_driver_sql
        change("UPDATE store.customers SET occupation = 'smith' WHERE customer_id = 'a'")
        change("UPDATE store.orders SET customer_id = 'c' WHERE order_number = 'b-0'")
        change("DELETE FROM store.orders WHERE order_number = 'b-1'")
        change("UPDATE store.tickets SET subject = 'changed' WHERE customer_id = 'a'")
        change("UPDATE store.loyalty_accounts SET points = 20 WHERE customer_id = 'a'")
        insert(connection, "loyalty_ledger", tenant_id=TENANT, customer_id="a", points=-180, reason="spent")
        insert(connection, "customer_tags", tenant_id=TENANT, customer_id="b", tag="tag-b")
        taken = rows(connection, "SELECT id FROM store.customer_tags WHERE customer_id = 'a' AND tag = 'tag-b'")[0][0]
    with database.begin() as connection:
        undone = DEFAULT.unmerge(connection, undo(merged.merge_id))
        assert isinstance(undone, Unmerged)
        assert undone.kept == (Kept(table="store.orders", rows=1, reason="MOVED_ELSEWHERE_SINCE"),)
        assert set(undone.conflicts) == {
            Conflict(table="store.customers", id="a", reason="FIELD_CHANGED_SINCE: occupation"),
            Conflict(table="store.customer_tags", id=str(taken), reason="TAKEN_SINCE"),
            Conflict(table="store.loyalty_accounts", id="a", reason="BELOW_ZERO"),
        }
        assert rows(connection, "SELECT occupation FROM store.customers WHERE customer_id = 'a'") == [("smith",)]
        assert rows(connection, "SELECT customer_id FROM store.tickets ORDER BY 1") == [("a",), ("b",), ("c",)]
        assert rows(connection, "SELECT customer_id, points FROM store.loyalty_accounts ORDER BY 1") == [
            ("a", -80),
            ("b", 100),
            ("c", 100),
        ]
        assert list(DEFAULT.verify(connection)) == []


def test_points_earned_by_the_winner_since_stay_with_the_winner(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a")
        rich_customer(connection, "b")
    merged = merge_now(DEFAULT, database, order("a", "b"))
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE store.loyalty_accounts SET points = points + 7 WHERE customer_id = 'a'")
        insert(connection, "loyalty_ledger", tenant_id=TENANT, customer_id="a", points=7, reason="order")
        undone = DEFAULT.unmerge(connection, undo(merged.merge_id))
        assert isinstance(undone, Unmerged)
        assert undone.kept == (Kept(table="store.loyalty_accounts", rows=1, reason="USED_SINCE"),)
        assert rows(connection, "SELECT customer_id, points FROM store.loyalty_accounts ORDER BY 1") == [
            ("a", 7),
            ("b", 100),
        ]
        assert list(DEFAULT.verify(connection)) == []


def test_wrong_orders_are_refused_and_change_nothing(database: Engine) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a")
        rich_customer(connection, "b")
    merged = merge_now(DEFAULT, database, order("a", "b"))

    def rule(result: UnmergeResult) -> str:
        assert isinstance(result, Refused)
        return result.errors[0].rule

    with database.begin() as connection:
        before = contents(connection, but=())
        assert rule(DEFAULT.unmerge(connection, undo("no id"))) == "MERGE_NOT_FOUND"
        assert rule(DEFAULT.unmerge(connection, undo("00000000-0000-0000-0000-000000000000"))) == "MERGE_NOT_FOUND"
        assert rule(DEFAULT.unmerge(connection, undo(merged.merge_id, "z"))) == "NOT_A_LOSER"
        connection.exec_driver_sql("UPDATE merge.merges SET undoable_until = merged_at")
        assert rule(DEFAULT.unmerge(connection, undo(merged.merge_id))) == "UNDO_WINDOW_CLOSED"
        assert rule(DEFAULT.unmerge(connection, undo(merged.merge_id, mode=UnmergeMode.TREE))) == "UNDO_WINDOW_CLOSED"
        assert contents(connection, but=()) == before
