"""What rules look for, as pure functions of the parties."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_identity.merging import ActorRef, MergeOrder, Side, checks
from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.month_end import month_end_window
from customer_identity.merging.roles import ROLES, has_role
from customer_identity.merging.rules import Check, Parties
from merge_engine import PlanError
from merge_engine.compiled_plan import compile_plan
from merge_engine.plan_file import load_plan
from merge_engine.rules_page import main as write_rules_page
from merge_worker.application.authority import ROLE_NAMES

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")


def _member(customer_id: str, *facts: object, version: int | None = 1) -> Member:
    return Member(
        customer_id=customer_id,
        tenant_id="t",
        version=version,
        direct_to=customer_id,
        alias_version=0,
        facts=facts,
    )


def _parties(*identities: Sequence[Member], now: datetime = NOW, **order: object) -> Parties:
    """The first identity wins."""
    winner, *losers = (Identity(members=tuple(members)) for members in identities)
    values: dict[str, object] = {
        "tenant_id": "t",
        "command_id": "c",
        "winner_id": winner.root_id,
        "loser_ids": tuple(loser.root_id for loser in losers),
        "requested_by": ActorRef(id="ann", roles=("merge",)),
        "reason": "r",
    }
    return Parties(
        order=MergeOrder(**{**values, **order}),  # type: ignore[arg-type]
        winner=winner,
        losers=tuple(losers),
        asserted=frozenset(),
        now=now,
    )


def _found(check: Check, parties: Parties) -> list[tuple[str, tuple[str, ...]]]:
    return [(fault.side.value, fault.customer_ids) for fault in check(parties)]


def test_thousands_of_losers_with_the_same_account_are_no_matter_of_every_pair() -> None:
    everybody = [[_member(str(number), [["acme", "1"], [str(number), "2"]])] for number in range(3_000)]
    began = time.process_time()
    assert _found(checks.mismatching_by(0), _parties(*everybody)) == []
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ([["acme", "1"]], [["ACME", "2"]], True),
        ([["acme", "1"]], [["acme", " 1 "]], False),
        ([["acme", "1"]], [["other", "2"]], False),
        ([["acme", "1"], ["acme", "2"]], [["acme", "1"]], True),
        ([["acme", "1"]], None, False),
        (None, None, False),
    ],
)
def test_accounts_differ_only_under_the_same_key(one: object, other: object, differ: bool) -> None:  # noqa: FBT001
    parties = _parties([_member("w", one)], [_member("l", other)])
    assert _found(checks.mismatching_by(0), parties) == ([("PAIR", ("w", "l"))] if differ else [])


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [("Ann", "Bob", True), ("Ann", None, True), (None, None, False), ("Ann", " ANN", False), ("", None, False)],
)
def test_one_empty_side_differs(one: object, other: object, differ: bool) -> None:  # noqa: FBT001
    parties = _parties([_member("w", one)], [_member("l", other)])
    assert _found(checks.differing(0), parties) == ([("PAIR", ("w", "l"))] if differ else [])


def test_every_member_counts_for_what_differs() -> None:
    parties = _parties([_member("w", "Ann"), _member("w2", "Bob")], [_member("l", "Ann")])
    assert _found(checks.differing(0), parties) == [("PAIR", ("w", "l"))]
    missing = _parties([_member("w", "Ann")], [_member("l", "Bob", version=None)])
    assert _found(checks.differing(0), missing) == [], "a customer that does not exist differs from nobody"


def test_rows_of_an_identity_are_compared_together_because_they_move_to_its_root() -> None:
    same = _parties([_member("w", ["a", "b"]), _member("w2", None)], [_member("l", ["B"]), _member("l2", ["a"])])
    assert _found(checks.differing_lists(0), same) == []
    other = _parties([_member("w", ["a", "b"])], [_member("l", ["a"])])
    assert _found(checks.differing_lists(0), other) == [("PAIR", ("w", "l"))]
    none = _parties([_member("w", ["a"])], [_member("l", None)])
    assert _found(checks.differing_lists(0), none) == [("PAIR", ("w", "l"))]


def test_rows_that_would_take_one_place_are_found_between_losers_too() -> None:
    parties = _parties([_member("w", None)], [_member("l", ["[1]", "[2]"])], [_member("m", ["[2]"])])
    assert _found(checks.overlapping(0), parties) == [("PAIR", ("l", "m"))]
    apart = _parties([_member("w", ["[1]"])], [_member("l", ["[2]"])])
    assert _found(checks.overlapping(0), apart) == []


def test_what_the_engine_knows_of_an_id_counts_without_a_record_too() -> None:
    parties = _parties([_member("w", False), _member("gone", True, version=None)], [_member("l", False)])  # noqa: FBT003
    assert _found(checks.known_of(Side.EITHER, 0), parties) == [("WINNER", ("gone",))]
    assert _found(checks.known_of(Side.LOSER, 0), parties) == []


def test_a_role_is_asked_for_where_it_matters() -> None:
    plain = _parties([_member("w", False)], [_member("l", True)])  # noqa: FBT003
    assert _found(checks.lacking_role("protected-data", 0), plain) == [("ACTOR", ("l",))]
    assert _found(checks.lacking_role("protected-data", None), plain) == [("ACTOR", ())]
    assert _found(checks.lacking_role("merge", 0), plain) == []
    nobody = _parties([_member("w", False)], [_member("l", False)])  # noqa: FBT003
    assert _found(checks.lacking_role("protected-data", 0), nobody) == []


def test_each_role_includes_the_ones_below_it() -> None:
    for place, role in enumerate(ROLES):
        assert [has_role([role], needed) for needed in ROLES] == [other <= place for other in range(len(ROLES))]
    assert not has_role(["Admin", "root", ""], "recommend")


def _vouchers(subjects: Sequence[checks.Subject], order: MergeOrder, _now: datetime) -> Sequence[str] | bool:
    if order.reason == "everybody":
        return True
    return [one.customer_id for one in subjects if one.facts["vouchers"]]


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (Side.EITHER, [("WINNER", ("w2",)), ("LOSER", ("l",))]),
        (Side.WINNER, [("WINNER", ("w2",))]),
        (Side.LOSER, [("LOSER", ("l",))]),
        (Side.PAIR, [("PAIR", ("w2", "l"))]),
        (Side.SYSTEM, [("SYSTEM", ("w2", "l"))]),
    ],
)
def test_a_function_is_given_the_customers_of_its_side(side: Side, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    parties = _parties([_member("w", 0), _member("w2", 1)], [_member("l", 2)])
    assert _found(checks.finding(side, _vouchers, {"vouchers": 0}), parties) == expected


def test_a_function_may_find_fault_with_everybody_or_nobody() -> None:
    everybody = _parties([_member("w", 0)], [_member("l", 0)], reason="everybody")
    check = checks.finding(Side.PAIR, _vouchers, {"vouchers": 0})
    assert _found(check, everybody) == [("PAIR", ("w", "l"))]
    assert _found(check, _parties([_member("w", 0)], [_member("l", 0)])) == []


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-30T22:59:59+00:00", None),  # the clocks went forward the night before: London is an hour ahead
        ("2026-03-30T23:00:00+00:00", "2026-04-01T23:00:00+00:00"),
        ("2026-04-01T22:59:59+00:00", "2026-04-01T23:00:00+00:00"),
        ("2026-04-01T23:00:00+00:00", None),
        ("2025-12-31T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
        ("2026-01-01T12:00:00+00:00", "2026-01-02T00:00:00+00:00"),
        ("2026-02-27T23:59:59+00:00", None),
        ("2026-02-28T00:00:00+00:00", "2026-03-02T00:00:00+00:00"),
        ("2024-02-28T12:00:00+00:00", None),
        ("2024-02-29T12:00:00+00:00", "2024-03-02T00:00:00+00:00"),
    ],
)
def test_the_month_ends_by_the_calendar_of_its_zone(now: str, until: str | None) -> None:
    end = month_end_window(1, 1, LONDON)(datetime.fromisoformat(now))
    assert end == (None if until is None else datetime.fromisoformat(until))


@given(
    now=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    last=st.integers(0, 14),
    first=st.integers(0, 14),
    zone=st.sampled_from(["Europe/London", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]),
)
def test_when_a_window_ends_it_is_over_and_not_before(now: datetime, last: int, first: int, zone: str) -> None:
    window = month_end_window(last, first, ZoneInfo(zone))
    end = window(now)
    if end is None:
        return
    assert end > now
    assert window(end - timedelta(seconds=1)) == end
    # Where a month has fewer days than the window, the next window follows at once.
    if last + first < 28:
        assert window(end) is None


SMALL = """\
name: small
revision: 1
customer: {table: shop.clients, key: {column: id}, version: rev}
disposition: {kind: link, column: see}
fields: {label: WINNER_THEN_FILL}
children:
  - {table: shop.bills, move: repoint}
rules:
"""


def test_a_calendar_of_a_plan_asks_the_time_that_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    rule = "  - {rule: SALES_PERIOD_MONTH_END_OVERLAP, calendar: {last_days: 2, time_zone: Europe/London}}\n"
    path.write_text(SMALL + rule, encoding="utf-8")
    rules = compile_plan(load_plan(path), "merge").policy.rules.rules
    check = next(one.check for one in rules if one.name == "SALES_PERIOD_MONTH_END_OVERLAP")
    inside = _parties([_member("w")], [_member("l")], now=datetime(2026, 6, 29, 12, tzinfo=UTC))
    (fault,) = check(inside)
    assert (fault.side, fault.until) == (Side.SYSTEM, datetime(2026, 6, 30, 23, tzinfo=UTC))
    outside = _parties([_member("w")], [_member("l")], now=datetime(2026, 6, 28, 12, tzinfo=UTC))
    assert list(check(outside)) == []


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("no.such.module:rule", "no.such.module:rule cannot be imported"),
        ("json:no_such_function", "json:no_such_function cannot be imported"),
        ("string:digits", "string:digits is no function"),
    ],
)
def test_a_function_that_is_not_there_is_a_fault_of_the_plan(tmp_path: Path, function: str, expected: str) -> None:
    path = tmp_path / "plan.yaml"
    rule = f'  - {{rule: R, side: PAIR, python: "{function}", message: m, remediation: r}}\n'
    path.write_text(SMALL + rule, encoding="utf-8")
    with pytest.raises(PlanError, match=expected):
        compile_plan(load_plan(path), "merge")


def test_the_page_of_rules_is_current() -> None:
    assert write_rules_page(["--check"]) == 0, "run `make docs`"


def test_the_page_of_rules_is_written_into_a_tree_that_lacks_it(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    assert write_rules_page(["--check", "--into", str(tmp_path)]) == 1
    assert write_rules_page(["--into", str(tmp_path)]) == 0
    assert write_rules_page(["--check", "--into", str(tmp_path)]) == 0


def test_the_worker_and_the_rules_know_the_same_roles() -> None:
    assert tuple(sorted(ROLE_NAMES, key=lambda name: ROLE_NAMES[name])) == ROLES
