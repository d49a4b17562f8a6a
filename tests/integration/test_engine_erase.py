"""A person forgotten: the whole identity, for good, and nobody else's."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, Engine

from customer_identity.merging import ActorRef, Merged, MergeOrder, Refused, Unmerged, UnmergeOrder, UnmergeResult
from merge_engine import AlreadyErased, Erased, ErasureResult, ErasureWaits, MergeEngine, RootMoved
from rig.customer_rows import TENANT, customer, order, rich_customer, rows
from rig.meeting import wait_until_blocked

DEFAULT = MergeEngine.load("default")
POLICY = ActorRef(id="policy:default", roles=("merge",))


def _merge(connection: Connection, merge_order: MergeOrder) -> Merged:
    (merged,) = DEFAULT.merge(connection, [merge_order])
    assert isinstance(merged, Merged), merged
    return merged


def _unmerge(connection: Connection, merge_id: str) -> UnmergeResult:
    return DEFAULT.unmerge(
        connection,
        UnmergeOrder(
            tenant_id=TENANT, command_id="undo", merge_id=merge_id, requested_by=ActorRef(id="test"), reason="wrong"
        ),
    )


def _erase(connection: Connection, customer_id: str, *, confirmed: bool = False) -> ErasureResult:
    return DEFAULT.erase(connection, TENANT, customer_id, confirmed=confirmed)


def _images(connection: Connection) -> list[tuple[object, ...]]:
    return list(rows(connection, "SELECT from_id, action FROM merge.journal WHERE before IS NOT NULL ORDER BY 1, 2"))


def test_the_whole_identity_is_forgotten_whichever_of_its_ids_is_named(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abcd":
            rich_customer(connection, customer_id, notes=f"secret of {customer_id}", occupation="baker")
        first = _merge(connection, order("b", "a"))
        second = _merge(connection, order("c", "b"))
        erased = _erase(connection, "a")
        assert isinstance(erased, Erased)
        assert (erased.canonical_id, erased.member_ids, erased.known_ids) == ("c", ("c", "a", "b"), ("a", "b"))
        # Nothing of a person is left in the engine's tables, and what the plan names is gone from the customer's own.
        assert _images(connection) == []
        assert rows(connection, "SELECT customer_id FROM merge.canonical") == []
        people = "SELECT customer_id, full_name, notes, occupation FROM store.customers ORDER BY 1"
        assert rows(connection, people) == [
            ("a", None, None, None),
            ("b", None, None, None),
            ("c", None, None, None),
            ("d", "Name of d", "secret of d", "baker"),
        ]
        for table in ("emails", "phones", "addresses", "consents", "customer_tags", "external_ids", "tickets"):
            assert rows(connection, f"SELECT DISTINCT customer_id FROM store.{table}") in ([("d",)], [])
        assert rows(connection, "SELECT count(*) FROM store.orders WHERE customer_id = 'c'") == [(6,)]
        assert list(DEFAULT.verify(connection)) == []
        for merge in (first, second):
            refused = _unmerge(connection, merge.merge_id)
            assert isinstance(refused, Refused)
            assert refused.errors[0].rule == "ERASED"


def test_an_erased_customer_is_merged_with_nobody_ever_again(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abc":
            customer(connection, customer_id)
        _merge(connection, order("b", "a"))
        assert isinstance(_erase(connection, "b"), Erased)
        for wanted in (order("c", "b"), order("a", "c")):
            (refused,) = DEFAULT.merge(connection, [wanted])
            assert isinstance(refused, Refused)
            assert "ERASED" in [error.rule for error in refused.errors]
        assert _erase(connection, "a") == AlreadyErased(canonical_id="b")


def test_members_joined_by_a_policy_alone_are_looked_at_by_a_person_first(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abc":
            rich_customer(connection, customer_id)
        by_hand = _merge(connection, order("b", "a"))
        automatic = _merge(connection, order("b", "c", requested_by=POLICY))
        before = rows(connection, "SELECT full_name FROM store.customers ORDER BY 1")
        waits = _erase(connection, "a")
        assert waits == ErasureWaits(
            member_ids=("b", "a", "c"), waiting_for=("AUTOMATIC_MERGE",), merge_ids=(automatic.merge_id,)
        )
        assert rows(connection, "SELECT full_name FROM store.customers ORDER BY 1") == before
        # The wrong person: taken out, the others can go, and what was kept of the one who leaves is its own.
        assert isinstance(_unmerge(connection, automatic.merge_id), Unmerged)
        erased = _erase(connection, "a")
        assert isinstance(erased, Erased)
        assert erased.member_ids == ("b", "a")
        assert rows(connection, "SELECT full_name FROM store.customers WHERE customer_id = 'c'") == [("Name of c",)]
        assert isinstance(_unmerge(connection, by_hand.merge_id), Refused)


def test_a_person_who_looked_lets_it_go_on_and_a_closed_undo_window_does_too(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abcd":
            customer(connection, customer_id)
        _merge(connection, order("a", "b", requested_by=POLICY))
        _merge(connection, order("c", "d", requested_by=POLICY))
        assert isinstance(_erase(connection, "a", confirmed=True), Erased)
        connection.exec_driver_sql("UPDATE merge.merges SET undoable_until = merged_at")
        assert isinstance(_erase(connection, "c"), Erased)


def test_what_a_merge_that_was_taken_apart_kept_of_the_erased_person_goes_too(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "w", notes="kept")
        customer(connection, "x", notes="secret of x", occupation="baker")
        customer(connection, "y", notes="kept, too")
        merged = _merge(connection, order("w", "x"))
        assert isinstance(_unmerge(connection, merged.merge_id), Unmerged)
        other = _merge(connection, order("w", "y"))
        assert isinstance(_erase(connection, "x"), Erased)
        assert _images(connection) == [("w", "WINNER"), ("y", "LOSER")]
        assert isinstance(_unmerge(connection, other.merge_id), Unmerged)
        assert rows(connection, "SELECT notes FROM store.customers ORDER BY customer_id") == [
            ("kept",),
            (None,),
            ("kept, too",),
        ]


def test_a_customer_that_nobody_knows_yet_is_erased_in_advance(database: Engine) -> None:
    with database.begin() as connection:
        erased = _erase(connection, "ghost")
        assert isinstance(erased, Erased)
        assert (erased.member_ids, erased.known_ids) == (("ghost",), ())
        customer(connection, "ghost")
        customer(connection, "a")
        (refused,) = DEFAULT.merge(connection, [order("a", "ghost")])
        assert isinstance(refused, Refused)
        assert [error.rule for error in refused.errors] == ["ERASED"]


def test_two_erasures_of_one_person_at_the_same_moment_are_one(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abc":
            customer(connection, customer_id)
        _merge(connection, order("a", "b", "c"))

    def erase(customer_id: str) -> ErasureResult:
        while True:
            try:
                with database.begin() as connection:
                    # The engine keeps limits that its caller has set: they have to wait for this test.
                    connection.exec_driver_sql("SET LOCAL lock_timeout = '30s'")
                    return _erase(connection, customer_id)
            except RootMoved:
                continue

    with database.begin() as first, ThreadPoolExecutor(2) as others:
        assert isinstance(_erase(first, "a"), Erased)
        late = [others.submit(erase, customer_id) for customer_id in ("a", "b")]
        wait_until_blocked(database, 2)
        first.commit()
        assert [one.result() for one in late] == [AlreadyErased(canonical_id="a")] * 2


def test_requests_keep_no_value_that_somebody_chose_for_the_erased_person(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a")
        connection.exec_driver_sql(
            "INSERT INTO merge.requests (tenant_id, request_id, command_id, command_type, command, status, "
            "customer_ids, requested_by, next_attempt_at, created_at, updated_at) SELECT 'acme', gen_random_uuid(), v, "
            """'MergeCustomers', '{"field_choices": [{"field": "notes", "literal": "secret"}]}', v, '{a,b}', 'ann', """
            "now(), now(), now() FROM unnest(ARRAY['deferred', 'merged']) v"
        )
        assert isinstance(_erase(connection, "a"), Erased)
        assert rows(connection, "SELECT DISTINCT command->'field_choices' FROM merge.requests") == [([],)]
