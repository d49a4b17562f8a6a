"""STORIS: finding duplicates, the managed list of merges, and when they run."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

import merge_engine
from customer_identity.merging import ActorRef, Merged, MergeOrder, MergeResult, Refused
from event_runtime.database import create_engine
from merge_engine import MergeEngine, Preview
from parity.storis_rows import company, customer, customers, order, owner
from rig.processes import eventually
from rig.profile_world import LIMIT_S, TENANT, ProfileWorld

PLANS = Path(merge_engine.__file__).parent / "plans"
CLERK = ("--as", "clerk", "--role", "recommend")
MANAGER = ("--as", "manager", "--role", "merge")


def status_of(world: ProfileWorld, customer_no: int) -> str:
    """The customer's own status, from the book."""
    return str(world.value("SELECT status FROM storis.customers WHERE customer_no = :n", n=customer_no))


def requests(world: ProfileWorld, *customer_nos: int, tenant: str = TENANT) -> list[dict[str, Any]]:
    """The merges on the list that name any of these customers as loser."""
    found = world.desk("requests", "--json", "--tenant", tenant, "--limit", "500").json
    return [one for one in found if {*one["loser_ids"]} & {str(number) for number in customer_nos}]


def listed(world: ProfileWorld, *customer_nos: int, tenant: str = TENANT) -> list[dict[str, Any]]:
    """The same, once every one of these customers is on the list."""
    return eventually(
        lambda: found if len(found := requests(world, *customer_nos, tenant=tenant)) >= len(customer_nos) else None,
        LIMIT_S,
        every_s=0.2,
    )


def become(world: ProfileWorld, status: str, *customer_nos: int) -> None:
    """Wait until these customers have that status."""
    eventually(lambda: {status_of(world, number) for number in customer_nos} == {status}, LIMIT_S, every_s=0.1)


@pytest.mark.parity(system="STORIS", row="search")
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--name", "Abernath"),
        ("--phone", "(845) 555-0141"),
        ("--email", "J.Seeker@example.com"),
        ("--national-id", "900-41-7001"),
    ],
)
def test_duplicates_are_found_by_last_name_phone_email_and_national_id(
    option: str, value: str, storis: ProfileWorld
) -> None:
    sought = customer(storis, last_name="Abernathwaite", email="j.seeker@example.com", ssn="900-41-7001")
    storis.insert(
        "storis.customer_phones", company=TENANT, customer_no=sought, kind="HOME", phone="845-555-0141",
        digits="8455550141",
    )  # fmt: skip
    found = {one["customer_id"] for one in storis.desk("search", option, value, "--json").json}
    assert str(sought) in found
    assert "100412" not in found


@pytest.mark.parity(system="STORIS", row="flag-for-later")
def test_a_clerk_flags_a_duplicate_for_later_and_nothing_moves_yet(storis: ProfileWorld) -> None:
    winner, loser = customers(storis, 2)
    assert storis.desk("recommend", str(winner), str(loser), *CLERK).status == 0
    (request,) = listed(storis, loser)
    assert (request["status"], request["requested_by"], request["eligible"]) == ("recommended", "clerk", True)
    assert status_of(storis, loser) == "A"


@pytest.mark.parity(system="STORIS", row="merge-now")
def test_with_permission_one_merges_now_and_without_it_one_can_only_recommend(storis: ProfileWorld) -> None:
    winner, loser = customers(storis, 2)
    order_no = order(storis, loser)
    refused = storis.desk("merge", str(winner), str(loser), *CLERK)
    assert (refused.status, "can only be recommended" in refused.err) == (1, True)
    assert storis.desk("merge", str(winner), str(loser), *MANAGER).status == 0
    become(storis, "I", loser)
    assert owner(storis, order_no) == (winner, winner)


@pytest.mark.parity(system="STORIS", row="merge-now")
def test_a_command_of_somebody_without_the_permission_becomes_a_recommendation(storis: ProfileWorld) -> None:
    winner, loser = customers(storis, 2)
    command = storis.merge(winner, loser, requested_by={"id": "clerk", "roles": ["recommend"]})
    storis.worker("submit", "-", commands=[command])
    (request,) = listed(storis, loser)
    assert (request["status"], request["command_id"]) == ("recommended", command["command_id"])
    assert status_of(storis, loser) == "A"


@pytest.mark.parity(system="STORIS", row="remove")
def test_a_flagged_merge_is_removed_from_the_list(storis: ProfileWorld) -> None:
    winner, loser = customers(storis, 2)
    storis.desk("recommend", str(winner), str(loser), *CLERK)
    listed(storis, loser)
    assert storis.desk("remove", str(winner), str(loser), *MANAGER).status == 0
    eventually(lambda: requests(storis, loser) == [], LIMIT_S, every_s=0.2)
    assert status_of(storis, loser) == "A"


@pytest.mark.parity(system="STORIS", row="bulk-list")
def test_the_list_is_reviewed_merged_removed_and_printed_in_bulk(storis: ProfileWorld) -> None:
    firm = company(storis, "bulk")
    pairs = [customers(storis, 2, firm) for _ in range(6)]
    for winner, loser in pairs:
        storis.desk("recommend", str(winner), str(loser), "--tenant", firm, *CLERK)
    losers = [loser for _, loser in pairs]
    order(storis, losers[0], firm, status="OPEN")
    reviewed = {one["loser_ids"][0]: one for one in listed(storis, *losers, tenant=firm)}
    assert reviewed[str(losers[0])]["failing_rules"] == ["OPEN_SALES_ORDERS"]
    assert [reviewed[str(loser)]["eligible"] for loser in losers] == [False, True, True, True, True, True]

    ids = [reviewed[str(loser)]["request_id"] for loser in losers]
    assert storis.desk("request", "approve", *ids[1:4], *MANAGER).status == 0
    assert storis.desk("request", "remove", *ids[4:], *MANAGER).status == 0
    become(storis, "I", *losers[1:4])
    eventually(lambda: len(requests(storis, *losers, tenant=firm)) == 1, LIMIT_S, every_s=0.2)
    printed = list(csv.DictReader(io.StringIO(storis.desk("report", "--format", "csv", "--tenant", firm).out)))
    assert {(row["losers"], row["status"]) for row in printed} == {
        (str(losers[0]), "recommended"),
        *((str(loser), "merged") for loser in losers[1:4]),
        *((str(loser), "removed") for loser in losers[4:]),
    }


@pytest.mark.parity(system="STORIS", row="scheduled")
def test_at_its_time_the_schedule_merges_all_that_are_eligible_and_the_rest_waits(storis: ProfileWorld) -> None:
    firm = company(storis, "nightly")
    pairs = [customers(storis, 2, firm) for _ in range(3)]
    losers = [loser for _, loser in pairs]
    order(storis, losers[0], firm, status="OPEN")
    for winner, loser in pairs:
        storis.desk("recommend", str(winner), str(loser), "--tenant", firm, *CLERK)
    listed(storis, *losers, tenant=firm)
    soon = storis.value("SELECT (clock_timestamp() + interval '3 s')::text")
    told = storis.desk("request", "approve", "--all", "--tenant", firm, "--wait", "--at", soon, *MANAGER)
    assert told.status == 0, told.err
    become(storis, "I", *losers[1:])
    eventually(lambda: len(requests(storis, *losers, tenant=firm)) == 1, LIMIT_S, every_s=0.2)
    (left,) = requests(storis, *losers, tenant=firm)
    assert (left["loser_ids"], left["failing_rules"]) == ([str(losers[0])], ["OPEN_SALES_ORDERS"])
    early = "SELECT count(*) FROM merge.merges WHERE tenant_id = :firm AND merged_at < CAST(:soon AS timestamptz)"
    assert storis.value(early, firm=firm, soon=soon) == 0  # nothing ran before its time


@pytest.mark.parity(system="STORIS", row="scheduled")
def test_a_merge_can_be_left_to_the_next_run_of_the_schedule(storis: ProfileWorld) -> None:
    winner, loser = customers(storis, 2)
    (cron,) = storis.worker("schedule", "list", "--json").json["schedule"]
    assert storis.desk("merge", str(winner), str(loser), "--at", "schedule", *MANAGER).status == 0
    (request,) = listed(storis, loser)
    assert (request["status"], request["next_attempt_at"]) == ("approved", cron["next_at"])


@pytest.mark.parity(system="STORIS", row="many-into-one")
def test_many_customers_become_one(storis: ProfileWorld) -> None:
    winner, *losers = customers(storis, 4)
    bought = [order(storis, loser) for loser in losers]
    paid = order(storis, winner, bill_to=losers[0])
    storis.merged(winner, *losers)
    assert {owner(storis, order_no) for order_no in (*bought, paid)} == {(winner, winner)}
    assert {status_of(storis, loser) for loser in losers} == {"I"}


@pytest.mark.parity(system="STORIS", row="blackout")
def test_in_the_month_end_hours_neither_a_person_nor_the_schedule_merges(storis: ProfileWorld) -> None:
    firm = company(storis, "closing", month_end_overlap=True)
    (by_hand, by_hand_loser), (by_plan, by_plan_loser) = (customers(storis, 2, firm) for _ in range(2))
    refused = storis.desk("merge", str(by_hand), str(by_hand_loser), "--tenant", firm, *MANAGER)
    assert (refused.status, "SALES_PERIOD_MONTH_END_OVERLAP" in refused.out + refused.err) == (1, True)

    storis.worker("submit", "-", commands=[storis.merge(by_plan, by_plan_loser, tenant_id=firm, on_ineligible="WAIT")])
    (waits,) = listed(storis, by_plan_loser, tenant=firm)
    assert (waits["status"], waits["failing_rules"]) == ("deferred", ["SALES_PERIOD_MONTH_END_OVERLAP"])
    assert storis.worker("schedule", "run", "--tenant", firm, "--json").json == {"requests": 1}
    eventually(
        lambda: requests(storis, by_plan_loser, tenant=firm)[0]["updated_at"] > waits["updated_at"],
        LIMIT_S,
        every_s=0.2,
    )
    assert status_of(storis, by_plan_loser) == "A"

    storis.sql("UPDATE storis.company_settings SET month_end_overlap = false WHERE company = :firm", firm=firm)
    become(storis, "I", by_plan_loser)  # the closing is over: what waited runs by itself


@pytest.mark.parity(system="STORIS", row="blackout")
def test_the_calendar_closes_by_itself_at_the_end_of_the_month(storis: ProfileWorld, tmp_path: Path) -> None:
    plan = (PLANS / "storis.yaml").read_text()
    rule = "  - {rule: SALES_PERIOD_MONTH_END_OVERLAP, calendar: {last_days: 2, first_days: 1, time_zone: UTC}}\n"
    (tmp_path / "plan.yaml").write_text(plan.replace("\nrules:\n", f"\nrules:\n{rule}", 1))
    merges = MergeEngine.load(tmp_path / "plan.yaml")
    winner, loser = customers(storis, 2)
    closed = {"2026-03-30 00:00Z", "2026-03-31 23:59Z", "2026-04-01 12:00Z"}
    for at in ("2026-03-29 23:59Z", *sorted(closed), "2026-04-02 00:00Z"):
        shown, result = merged_at(storis, merges, at, winner, loser)
        failed = [one.rule for one in result.errors] if isinstance(result, Refused) else []
        assert [one.rule for one in shown.failures] == failed
        assert failed == (["SALES_PERIOD_MONTH_END_OVERLAP"] if at in closed else []), at
        assert isinstance(result, Refused if at in closed else Merged), at


def merged_at(
    world: ProfileWorld, merges: MergeEngine, at: str, winner: int, loser: int
) -> tuple[Preview, MergeResult]:
    """A merge, previewed, done and rolled back, on a database whose clock stands still."""
    merge = MergeOrder(
        tenant_id=TENANT,
        command_id=f"at {at}",
        winner_id=str(winner),
        loser_ids=(str(loser),),
        requested_by=ActorRef(id="ann", roles=("merge",)),
        reason="the same person",
    )
    engine = create_engine(world.database_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE SCHEMA standing")
        connection.exec_driver_sql(
            "CREATE FUNCTION standing.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
            f" AS 'SELECT ''{at}''::timestamptz'"
        )
        connection.exec_driver_sql("SET LOCAL search_path = standing, pg_catalog")
        shown = merges.preview(connection, merge)
        (result,) = merges.merge(connection, [merge])
        connection.rollback()
    engine.dispose()
    return shown, result


@pytest.mark.parity(system="STORIS", row="one-open-merge")
def test_a_customer_takes_part_in_one_open_merge_but_many_may_share_a_winner(storis: ProfileWorld) -> None:
    winner, waiting, another, other_winner = customers(storis, 4)
    order(storis, waiting, status="OPEN")
    storis.worker("submit", "-", commands=[storis.merge(winner, waiting, on_ineligible="WAIT")])
    listed(storis, waiting)
    refused = storis.outcome(storis.merge(other_winner, waiting))
    assert "MERGE_ALREADY_PENDING" in [error["rule"] for error in refused["errors"]]
    assert storis.merged(winner, another)["winner_id"] == str(winner)
