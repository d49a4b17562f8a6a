"""Two detectors on one database: one compares a record while the other stores and handles what comes after it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import customer_events as wire
from customer_identity.matching.matcher import Matcher
from dedupe_detector.adapters import pair_tables
from rig.bare_detector import Detector, received
from rig.detector_world import PACKAGES, created, erased, merged, not_duplicate, person, updated
from rig.fixtures import Migrated
from rig.processes import eventually

_WAITS_FOR_A_RECORD = """
    SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query LIKE '%detector.records%FOR UPDATE%'
"""

_WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def two(migrated: Migrated) -> Iterator[tuple[Detector, Detector]]:
    url = migrated(*PACKAGES)
    one, other = Detector(url), Detector(url)
    yield one, other
    for detector in (one, other):
        detector.engine.dispose()


def test_a_pair_is_not_told_of_when_an_update_after_the_look_up_makes_it_two_people(
    two: tuple[Detector, Detector], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    one.receive(created("A", **person(1)))
    _after_look_up(monkeypatch, lambda: _tells_nothing(other, updated("A", version=2, **person(2))))
    assert one.receive(created("B", **person(1))) == []
    assert _open(one) == []


def test_a_pair_is_not_told_of_when_one_customer_is_erased_after_the_look_up(
    two: tuple[Detector, Detector], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    one.receive(created("A", **person(1)))
    _after_look_up(monkeypatch, lambda: _tells_nothing(other, erased("A", version=9)))
    assert one.receive(created("B", **person(1))) == []
    assert _open(one) == []


@pytest.mark.parametrize("late", ["A", "B"])
def test_a_pair_that_holds_after_an_update_is_told_of_once_with_the_versions_compared(
    two: tuple[Detector, Detector], monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    one, other = two
    one.receive(created("A", **person(1)))
    batch = [received(updated(late, version=2, **person(1)))]
    _after_look_up(monkeypatch, lambda: other.prepare(batch))
    (found,) = one.receive(created("B", **person(1)))
    assert {member.customer_id: member.version for member in found.members} == {"A": 1, "B": 1, late: 2}
    assert other.handle(batch) == []


def test_an_identifier_that_the_new_version_shares_with_others_stands_against_automation(
    two: tuple[Detector, Detector], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    one.receive(created("A", **person(1)), created("C", **person(3)))
    batch = [received(updated("A", version=2, **{**person(1), "phone": person(3)["phone"]}))]
    _after_look_up(monkeypatch, lambda: other.prepare(batch))
    (found,) = one.receive(created("B", **person(1)))
    assert (found.pair.a, found.pair.b) == ("A", "B")
    assert not found.safe_to_automate
    assert "CONTESTED_IDENTIFIER" in found.blocked_because


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (updated("A", version=2, **person(2)), wire.WithdrawalReason.EVIDENCE_CHANGED),
        (erased("A", version=9), wire.WithdrawalReason.ERASED),
    ],
    ids=["update", "erasure"],
)
def test_what_comes_while_a_pair_is_written_waits_and_withdraws_it(
    two: tuple[Detector, Detector], monkeypatch: pytest.MonkeyPatch, event: Any, reason: wire.WithdrawalReason
) -> None:
    _is_withdrawn_by(event, reason, two, lambda comes: _before_writing(monkeypatch, comes), waits=_WAITS_FOR_A_RECORD)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (merged("A", "B"), wire.WithdrawalReason.ALREADY_MERGED),
        (not_duplicate("A", "B"), wire.WithdrawalReason.NOT_DUPLICATE),
    ],
    ids=["merge", "decision"],
)
def test_a_pair_that_is_decided_while_it_is_told_of_is_withdrawn(
    two: tuple[Detector, Detector], monkeypatch: pytest.MonkeyPatch, event: Any, reason: wire.WithdrawalReason
) -> None:
    _is_withdrawn_by(event, reason, two, lambda comes: _after_writing(monkeypatch, comes), waits=_WAITS)


def _is_withdrawn_by(
    event: Any,
    reason: wire.WithdrawalReason,
    two: tuple[Detector, Detector],
    at: Callable[[Callable[[], None]], None],
    *,
    waits: str,
) -> None:
    """The event comes to one detector `at` a moment of the other's work on a pair, waits for it, and withdraws it."""
    one, other = two
    one.receive(created("A", **person(1)))
    coming: list[Future[list[Any]]] = []
    with ThreadPoolExecutor(1) as pool:

        def comes() -> None:
            coming.append(pool.submit(other.receive, event))
            eventually(lambda: coming[0].done() or one.sql(waits))

        at(comes)
        (found,) = one.receive(created("B", **person(1)))
        (withdrawn,) = coming[0].result(60)
    assert (withdrawn.candidate_id, withdrawn.reason) == (found.candidate_id, reason)
    assert withdrawn.revision > found.revision
    assert _open(one) == []


def _after_look_up(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Once, between what the next look-up has scored and all that is done with it."""
    real = Matcher.match

    def match(self: Matcher, *given: Any, **named: Any) -> Any:
        monkeypatch.setattr(Matcher, "match", real)
        matches = real(self, *given, **named)
        happens()
        return matches

    monkeypatch.setattr(Matcher, "match", match)


def _before_writing(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Once, just before the next pairs are written."""
    real = pair_tables.record

    def record(*given: Any) -> Any:
        monkeypatch.setattr(pair_tables, "record", real)
        happens()
        return real(*given)

    monkeypatch.setattr(pair_tables, "record", record)


def _after_writing(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Once, when the next pairs are written and not yet committed."""
    real = pair_tables.record

    def record(*given: Any) -> Any:
        monkeypatch.setattr(pair_tables, "record", real)
        written = real(*given)
        happens()
        return written

    monkeypatch.setattr(pair_tables, "record", record)


def _tells_nothing(detector: Detector, event: Any) -> None:
    assert detector.receive(event) == []


def _open(detector: Detector) -> list[Any]:
    return detector.sql("SELECT a, b FROM detector.pairs WHERE state = 'OPEN'")
