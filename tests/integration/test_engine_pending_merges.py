"""MERGE_ALREADY_PENDING on real requests: a customer takes part in one open merge, though many may share a winner."""

from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from customer_identity.merging import ActorRef, Deferred, Merged, OnIneligible, Refused
from merge_engine import MergeEngine
from merge_engine.plan_file.packs import packs
from rig.customer_rows import TENANT, customer, order

RULE = "MERGE_ALREADY_PENDING"
EARLIER = datetime(2025, 1, 1, tzinfo=UTC)


class Open:
    """A store whose worker has merges on its list, under a plan with the retail pack."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        shipped = (resources.files("merge_engine") / "plans" / "default.yaml").read_text(encoding="utf-8")
        elsewhere = [rule.rule for rule in packs()["retail"].rules if rule.provided is None]
        plan = shipped.replace("packs: [identity]", "packs: [identity, retail]\nnot_applicable:\n").replace(
            "not_applicable:\n", "not_applicable:\n" + "".join(f"  {rule}: a test\n" for rule in elsewhere)
        )
        path = directory / "retail.yaml"
        path.write_text(plan)
        self.merges = MergeEngine.load(path)
        with engine.begin() as connection:
            for customer_id in "abcd":
                customer(connection, customer_id)

    def put(
        self, status: str, winner_id: str | None, *loser_ids: str, at: datetime = EARLIER, waiting_for: str = ""
    ) -> None:
        """Put a merge on the list."""
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO merge.requests (tenant_id, request_id, command_id, command_type, command, status,"
                    " customer_ids, requested_by, waiting_for, next_attempt_at, created_at, updated_at)"
                    " VALUES (:tenant, gen_random_uuid(), :id, 'MergeCustomers',"
                    " jsonb_build_object('winner_id', CAST(:winner AS text), 'loser_ids', CAST(:losers AS text[])),"
                    " :status, :customers, 'ann', :waiting_for, :at, :at, :at)"
                ),
                {
                    "tenant": TENANT,
                    "id": f"open-{winner_id}-{'-'.join(loser_ids)}",
                    "winner": winner_id,
                    "losers": list(loser_ids),
                    "status": status,
                    "customers": [*filter(None, (winner_id,)), *loser_ids],
                    "waiting_for": [waiting_for] if waiting_for else [],
                    "at": at,
                },
            )

    def rules(self, winner_id: str | None, *loser_ids: str, **more: object) -> list[tuple[str, tuple[str, ...]]]:
        """What stands against a merge, at a preview and, the same, under lock."""
        asked = order(winner_id, *loser_ids, **more)
        with self.engine.connect() as connection:
            preview = self.merges.preview(connection, asked)
            (result,) = self.merges.merge(connection, [asked])
            connection.rollback()
        failures = () if isinstance(result, Merged) else result.errors  # type: ignore[union-attr]  # no Noop here
        assert preview.failures == failures
        return [(failure.rule, failure.customer_ids) for failure in failures]


@pytest.fixture
def listed(database: Engine, tmp_path: Path) -> Open:
    return Open(database, tmp_path)


@pytest.mark.parametrize("status", ["approved", "deferred"])
def test_a_loser_of_an_open_merge_takes_part_in_no_other(listed: Open, status: str) -> None:
    listed.put(status, "a", "b")
    assert listed.rules("c", "b") == [(RULE, ("b",))]
    assert listed.rules("b", "c") == [(RULE, ("b",))]
    assert listed.rules("c", "d") == []


def test_many_open_merges_may_share_a_winner_and_nothing_else(listed: Open) -> None:
    listed.put("deferred", "a", "b")
    assert listed.rules("a", "c") == []
    assert listed.rules("c", "a") == [(RULE, ("a",))]


def test_where_the_plan_is_to_choose_the_winner_anybody_may_lose(listed: Open) -> None:
    listed.put("deferred", None, "a", "b")
    assert listed.rules("a", "c") == [(RULE, ("a",))]
    assert listed.rules("c", "b") == [(RULE, ("b",))]


def test_an_open_merge_does_not_hold_up_itself(listed: Open) -> None:
    listed.put("deferred", "a", "b")
    assert listed.rules("a", "b", command_id="open-a-b", first_seen_at=EARLIER) == []


def test_of_two_open_merges_the_older_one_goes_first_so_neither_waits_for_ever(listed: Open) -> None:
    listed.put("deferred", "a", "b")
    listed.put("deferred", "c", "b", at=EARLIER + timedelta(seconds=1))
    assert listed.rules("a", "b", command_id="open-a-b", first_seen_at=EARLIER) == []
    later = EARLIER + timedelta(seconds=1)
    assert listed.rules("c", "b", command_id="open-c-b", first_seen_at=later) == [(RULE, ("b",))]


def test_a_recommendation_holds_up_nobody_who_may_merge(listed: Open) -> None:
    listed.put("recommended", "a", "b")
    assert listed.rules("c", "b") == []
    assert listed.rules("c", "b", requested_by=ActorRef(id="rob", roles=("recommend",))) == [(RULE, ("b",))]


def test_a_merge_that_waits_for_another_one_does_not_hold_that_up(listed: Open) -> None:
    listed.put("approved", "c", "a", waiting_for="after_command_id")
    assert listed.rules("a", "b") == []


def test_it_is_temporary_a_command_that_may_wait_waits_and_another_is_refused(listed: Open) -> None:
    listed.put("deferred", "a", "b")
    with listed.engine.connect() as connection:
        orders = [order("c", "b", on_ineligible=OnIneligible.WAIT), order("d", "b")]
        waits, refused = listed.merges.merge(connection, orders)
        connection.rollback()
    assert isinstance(waits, Deferred)
    assert waits.waiting_for == (RULE,)
    assert isinstance(refused, Refused)
    assert [error.permanent for error in refused.errors] == [False]


def test_the_list_of_another_tenant_does_not_count(listed: Open) -> None:
    listed.put("deferred", "a", "b")
    with listed.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE merge.requests SET tenant_id = 'other'")
    assert listed.rules("c", "b") == []
