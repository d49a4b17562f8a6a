"""Merges of the reference store on a real PostgreSQL."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from customer_identity.merging import (
    ActorRef,
    ConsentDecision,
    Deferred,
    ExternalIdMove,
    FieldChoice,
    FieldDecision,
    Merged,
    Moved,
    Noop,
    NoopReason,
    NotDuplicateOrder,
    NotDuplicateRecorded,
    Redirect,
    Refused,
    Stage,
)
from merge_engine import Canonical, MergeEngine
from rig.customer_rows import TENANT, approved, contents, customer, insert, order, rich_customer, rows

DEFAULT = MergeEngine.load("default")


def test_every_row_of_the_loser_ends_at_the_winner_or_in_the_journal(database: Engine) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a")
        rich_customer(connection, "b")
    with database.begin() as connection:
        (merged,) = DEFAULT.merge(connection, [order("a", "b")])
    assert isinstance(merged, Merged)
    assert merged.moved == (
        Moved(table="store.emails", rows=1, collisions=1),
        Moved(table="store.phones", rows=0, collisions=1),
        Moved(table="store.customer_tags", rows=1, collisions=1),
        Moved(table="store.addresses", rows=1, collisions=0),
        Moved(table="store.orders", rows=2, collisions=0),
        Moved(table="store.tickets", rows=1, collisions=0),
        Moved(table="store.external_ids", rows=1, collisions=0),
        Moved(table="store.loyalty_ledger", rows=2, collisions=0),
        Moved(table="store.loyalty_accounts", rows=1, collisions=0),
    )
    assert merged.external_ids == (ExternalIdMove(system="crm", id="crm-b", from_id="b", to_id="a"),)
    assert merged.redirects == (Redirect(from_id="b", direct_to="a", canonical="a", version=1),)
    assert merged.undoable_until == merged.merged_at + timedelta(days=30)
    with database.begin() as connection:
        left = {
            table: len([row for row in found if '"customer_id": "b"' in row])
            for table, found in contents(connection).items()
        }
        assert {table: count for table, count in left.items() if count} == {"customers": 1}
        assert rows(connection, "SELECT points FROM store.loyalty_accounts") == [(200,)]
        assert rows(connection, "SELECT status, merged_into, version FROM store.customers ORDER BY customer_id") == [
            ("ACTIVE", None, 2),
            ("MERGED", "a", 2),
        ]
        assert rows(connection, "SELECT email FROM store.emails WHERE is_primary") == [("a@example.com",)]
        assert rows(connection, "SELECT count(*) FROM merge.journal WHERE action = 'REMOVED'") == [(3,)]
        assert list(DEFAULT.verify(connection)) == []
        assert list(DEFAULT.verify(connection, merged.merge_id)) == []


def test_a_batch_is_answered_order_by_order_and_what_is_refused_changes_nothing(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in ("a", "b", "c", "d", "held", "free"):
            rich_customer(connection, customer_id, legal_hold=customer_id == "held")
    before_refusals = None
    with database.begin() as connection:
        results = DEFAULT.merge(
            connection,
            [order("a", "b"), order("free", "held"), order("c", "ghost"), order("d", "d"), order("c", "d")],
        )
        before_refusals = contents(connection)["customers"]
    merged, refused, deferred, same, also_merged = results
    assert isinstance(merged, Merged)
    assert isinstance(also_merged, Merged)
    assert isinstance(refused, Refused)
    assert [(error.rule, error.side.value, error.customer_ids) for error in refused.errors] == [
        ("LEGAL_HOLD", "LOSER", ("held",))
    ]
    assert isinstance(deferred, Deferred)
    assert deferred.waiting_for == ("CUSTOMER_NOT_FOUND",)
    assert isinstance(same, Refused)
    assert (same.stage, same.errors[0].rule) == (Stage.VALIDATION, "SAME_RECORD")
    assert sum('"status": "MERGED"' in row for row in before_refusals) == 2


def test_a_chain_is_compressed_and_each_redirect_has_the_next_version(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abc":
            rich_customer(connection, customer_id)
    with database.begin() as connection:
        (first,) = DEFAULT.merge(connection, [order("b", "a")])
    with database.begin() as connection:
        (second,) = DEFAULT.merge(connection, [order("c", "b")])
        assert isinstance(first, Merged)
        assert isinstance(second, Merged)
        assert first.redirects == (Redirect(from_id="a", direct_to="b", canonical="b", version=1),)
        assert second.redirects == (
            Redirect(from_id="b", direct_to="c", canonical="c", version=1),
            Redirect(from_id="a", direct_to="b", canonical="c", version=2),
        )
        assert DEFAULT.canonical(connection, TENANT, ["a", "b", "c", "z"]) == {
            "a": Canonical(canonical_id="c", version=2),
            "b": Canonical(canonical_id="c", version=1),
            "c": Canonical(canonical_id="c", version=0),
            "z": Canonical(canonical_id="z", version=0),
        }
        links = rows(connection, "SELECT customer_id, merged_into FROM store.customers ORDER BY 1")
        assert links == [("a", "c"), ("b", "c"), ("c", None)]
        assert list(DEFAULT.verify(connection)) == []


def test_a_chain_in_one_batch_runs_in_waves(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abcde":
            rich_customer(connection, customer_id)
    with database.begin() as connection:
        results = DEFAULT.merge(
            connection,
            [
                order("b", "a"),
                order("c", "b"),
                order("d", "a", follow_redirects=True, **approved(d=1, c=2)),
                order("a", "b"),
                order("e", "d"),
            ],
        )
        assert [type(result) for result in results] == [Merged, Merged, Merged, Noop, Merged]
        assert {found.canonical_id for found in DEFAULT.canonical(connection, TENANT, list("abcde")).values()} == {"e"}
        assert rows(connection, "SELECT customer_id, points FROM store.loyalty_accounts") == [("e", 500)]
        assert list(DEFAULT.verify(connection)) == []


def test_the_same_merge_the_other_way_round_changes_nothing(database: Engine) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a")
        rich_customer(connection, "b")
        DEFAULT.merge(connection, [order("b", "a")])
    with database.begin() as connection:
        before = contents(connection, but=())
        (result,) = DEFAULT.merge(connection, [order("a", "b")])
        assert contents(connection, but=()) == before
    assert isinstance(result, Noop)
    assert (result.reason, result.canonical_id) == (NoopReason.SAME_IDENTITY, "b")


def test_an_order_approved_for_somebody_merged_away_is_refused_with_the_name_to_use(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abc":
            rich_customer(connection, customer_id)
        DEFAULT.merge(connection, [order("b", "a")])
    with database.begin() as connection:
        loser_gone, winner_gone = DEFAULT.merge(connection, [order("c", "a"), order("a", "c")])
    assert isinstance(loser_gone, Refused)
    assert isinstance(winner_gone, Refused)
    assert loser_gone.errors[0].rule == "LOSER_PREVIOUSLY_MERGED"
    assert "use b " in loser_gone.errors[0].remediation
    assert winner_gone.errors[0].rule == "WINNER_PREVIOUSLY_MERGED"
    assert "use b " in winner_gone.errors[0].remediation


def test_several_losers_are_ranked_together_and_summed_once(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "w")
        rich_customer(connection, "x")
        rich_customer(connection, "y")
        owner = {"tenant_id": TENANT}
        insert(connection, "consents", **owner, customer_id="w", channel="email", granted=True, evidence="form 1")
        insert(connection, "consents", **owner, customer_id="x", channel="email", granted=True, evidence="form 2")
        insert(connection, "consents", **owner, customer_id="y", channel="email", granted=False, evidence="call 3")
        insert(connection, "consents", **owner, customer_id="y", channel="sms", granted=True, evidence="form 4")
    with database.begin() as connection:
        (merged,) = DEFAULT.merge(connection, [order("w", "x", "y")])
        assert isinstance(merged, Merged)
        assert merged.consent_decisions == (ConsentDecision(channel="email", result="DENIED", evidence="call 3"),)
        assert rows(connection, "SELECT customer_id, points FROM store.loyalty_accounts") == [("w", 200)]
        assert rows(connection, "SELECT channel, granted, customer_id FROM store.consents ORDER BY 1") == [
            ("email", False, "w"),
            ("sms", True, "w"),
        ]
        assert rows(connection, "SELECT tag FROM store.customer_tags ORDER BY 1") == [("tag-x",), ("tag-y",), ("vip",)]
        assert rows(connection, "SELECT email FROM store.emails WHERE is_primary") == [("x@example.com",)]
        assert list(DEFAULT.verify(connection)) == []


def test_a_verified_address_is_never_replaced_by_the_same_address_unverified(database: Engine) -> None:
    shared = {"email": "p@example.com", "email_key": "p@example.com"}
    with database.begin() as connection:
        customer(connection, "w")
        customer(connection, "x")
        insert(connection, "emails", tenant_id=TENANT, customer_id="w", **shared, verified=False)
        insert(connection, "emails", tenant_id=TENANT, customer_id="x", **shared, verified=True)
    with database.begin() as connection:
        DEFAULT.merge(connection, [order("w", "x")])
        assert rows(connection, "SELECT customer_id, verified FROM store.emails") == [("w", True)]


def test_fields_survive_by_strategy_and_decisions_never_hold_values(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "w", full_name="Ann", notes="calls late", created_at="2026-02-01T00:00:00Z")
        customer(connection, "x", full_name="Anna", notes="likes tea", gender="f", created_at="2020-01-01T00:00:00Z")
    with database.begin() as connection:
        choice = FieldChoice(field="full_name", from_customer_id="x")
        (merged,) = DEFAULT.merge(connection, [order("w", "x", field_choices=(choice,))])
        assert isinstance(merged, Merged)
        assert merged.field_decisions == (
            FieldDecision(field="full_name", strategy="RECORD_EXPLICIT", from_customer_id="x"),
            FieldDecision(field="gender", strategy="WINNER_THEN_FILL", from_customer_id="x"),
            FieldDecision(field="notes", strategy="CONCAT", from_customer_id=None),
            FieldDecision(field="created_at", strategy="MIN", from_customer_id="x"),
        )
        assert rows(
            connection,
            "SELECT full_name, gender, notes, extract(year FROM created_at) FROM store.customers "
            "WHERE customer_id = 'w'",
        ) == [("Anna", "f", "calls late\nlikes tea", 2020)]


def test_the_plan_chooses_the_winner_when_the_order_names_none(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a", created_at="2019-01-01T00:00:00Z", status="INACTIVE")
        customer(connection, "b", created_at="2021-01-01T00:00:00Z")
        customer(connection, "c", created_at="2020-01-01T00:00:00Z")
    with database.begin() as connection:
        (merged,) = DEFAULT.merge(connection, [order(None, "a", "b", "c")])
    assert isinstance(merged, Merged)
    assert merged.winner.id == "c"
    assert [loser.id for loser in merged.losers] == ["a", "b"]


def test_an_asserted_pair_blocks_members_of_both_identities(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abcd":
            customer(connection, customer_id)
        DEFAULT.merge(connection, [order("b", "a"), order("d", "c")])
        assertion = NotDuplicateOrder(
            tenant_id=TENANT, command_id="n", customer_ids=("c", "a"), requested_by=ActorRef(id="t"), reason="twins"
        )
        recorded = DEFAULT.assert_not_duplicate(connection, assertion)
        assert isinstance(recorded, NotDuplicateRecorded)
        assert recorded.pairs == (("a", "c"),)
    with database.begin() as connection:
        (refused,) = DEFAULT.merge(connection, [order("b", "d")])
        assert isinstance(refused, Refused)
        assert [(error.rule, error.customer_ids) for error in refused.errors] == [
            ("NOT_DUPLICATE_ASSERTED", ("a", "c"))
        ]
        together = NotDuplicateOrder(
            tenant_id=TENANT, command_id="m", customer_ids=("a", "b"), requested_by=ActorRef(id="t"), reason="no"
        )
        assert isinstance(DEFAULT.assert_not_duplicate(connection, together), Refused)


def test_a_missing_customer_is_waited_for_and_then_refused(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a")
        (first,) = DEFAULT.merge(connection, [order("a", "ghost")])
        assert isinstance(first, Deferred)
        long_ago = first.until - timedelta(minutes=2)
        (last,) = DEFAULT.merge(connection, [order("a", "ghost", first_seen_at=long_ago)])
    assert isinstance(last, Refused)
    assert [(error.rule, error.permanent) for error in last.errors] == [("CUSTOMER_NOT_FOUND", False)]


def test_customers_of_another_tenant_do_not_exist(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a")
        customer(connection, "b", tenant_id="other")
        (result,) = DEFAULT.merge(connection, [order("a", "b")])
        assert isinstance(result, Deferred)
        assert rows(connection, "SELECT status FROM store.customers") == [("ACTIVE",), ("ACTIVE",)]


@pytest.mark.parametrize("hostile", ["'; DROP TABLE store.customers; --", '"', "%s %(ids)s", "{a,b}", "\\", "a\u200bb"])
def test_hostile_ids_are_ids_like_any_other(database: Engine, hostile: str) -> None:
    with database.begin() as connection:
        customer(connection, "a")
        rich_customer(connection, hostile)
        (merged,) = DEFAULT.merge(connection, [order("a", hostile, reason=hostile)])
        assert isinstance(merged, Merged)
        assert rows(connection, "SELECT count(*) FROM store.orders WHERE customer_id = 'a'") == [(2,)]
        assert list(DEFAULT.verify(connection)) == []
