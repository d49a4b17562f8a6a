import gc
import weakref

import psycopg
import pytest
import sqlalchemy.exc
from psycopg import errors

from event_runtime.failpoints import FailpointReached
from event_runtime.faults import Fault, ServerUnavailable
from event_runtime.retry import FaultClass, RetryPolicy, StartOver, classify

CONTENTION, RECONNECT, PAUSE = FaultClass.CONTENTION, FaultClass.RECONNECT, FaultClass.PAUSE
STALE, DATA, BUG = FaultClass.STALE, FaultClass.DATA, FaultClass.BUG


def of_state(state: str) -> Exception:
    """The driver's error with this SQLSTATE, as SQLAlchemy wraps it."""
    try:
        kind = errors.lookup(state)
    except KeyError:
        kind = type("Other", (psycopg.DatabaseError,), {"sqlstate": state})
    return sqlalchemy.exc.DBAPIError("statement", {}, kind("message"))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("40001 40P01 55P03 57014 25P03 25P04", CONTENTION),
        ("08000 08003 08006 08001 57P01 57P02 57P03 57P05 53300", RECONNECT),
        ("25006 53100 53200 28000 28P01 42501 42P01 42703 3F000 58030 XX001", PAUSE),
        ("23503 23505", STALE),
        ("22001 22003 22021 23502 23514 23P01 44000 P0001", DATA),
        ("42601 42883 21000 25P02 0A000", BUG),
    ],
)
def test_a_sqlstate_decides_the_class(states: str, expected: FaultClass) -> None:
    assert {state: classify(of_state(state)) for state in states.split()} == dict.fromkeys(states.split(), expected)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (psycopg.OperationalError("server closed the connection"), RECONNECT),
        (psycopg.InterfaceError("the connection is closed"), RECONNECT),
        (sqlalchemy.exc.TimeoutError("pool"), RECONNECT),
        (ServerUnavailable("registry"), RECONNECT),
        (psycopg.DataError("text fields cannot contain NUL"), DATA),
        (StartOver(), CONTENTION),
        (FailpointReached("x"), CONTENTION),
        (type("RootMoved", (Exception,), {"sqlstate": "40001"})(), CONTENTION),
        (KeyError("x"), BUG),
        (psycopg.ProgrammingError("wrong use"), BUG),
        (Fault("x"), BUG),
    ],
)
def test_a_fault_without_a_sqlstate_is_classified_by_its_kind(fault: Exception, expected: FaultClass) -> None:
    assert classify(fault) is expected


class Attempts:
    """Work that fails with each of `faults` in turn and then succeeds."""

    def __init__(self, *faults: Exception, policy: RetryPolicy | None = None) -> None:
        self.faults = list(faults)
        self.waits: list[float] = []
        self.told: list[FaultClass] = []
        self.policy = policy or RetryPolicy()

    def run(self) -> str:
        retrying = self.policy.retrying(
            sleep=self.waits.append, before_wait=lambda kind, _fault: self.told.append(kind)
        )
        return retrying(self._work)

    def _work(self) -> str:
        if self.faults:
            raise self.faults.pop(0)
        return "done"


def test_contention_is_tried_a_bounded_number_of_times_with_growing_jittered_waits() -> None:
    attempts = Attempts(*[of_state("40P01")] * 99, policy=RetryPolicy(contention_attempts=6, max_wait_s=0.1))
    with pytest.raises(sqlalchemy.exc.DBAPIError):
        attempts.run()
    assert len(attempts.waits) == 5
    for number, wait in enumerate(attempts.waits):
        longest = min(0.1, 0.02 * 2**number)
        assert longest / 2 <= wait <= longest


def test_an_outage_is_waited_for_without_bound_and_counts_nothing_against_contention() -> None:
    outage = [of_state("57P01")] * 200
    attempts = Attempts(of_state("40001"), *outage, *[of_state("40001")] * 3, policy=RetryPolicy(contention_attempts=5))
    assert attempts.run() == "done"
    assert max(attempts.waits) <= RetryPolicy().reconnect_max_wait_s
    assert attempts.told.count(RECONNECT) == 200


def test_waits_for_locks_are_not_lengthened_by_an_outage_before() -> None:
    attempts = Attempts(*[of_state("08006")] * 50, of_state("40001"))
    attempts.run()
    assert attempts.waits[-1] <= 0.02


def test_what_only_a_person_can_mend_is_waited_for_at_a_steady_pace() -> None:
    attempts = Attempts(*[of_state("42P01")] * 10, policy=RetryPolicy(pause_wait_s=7))
    assert attempts.run() == "done"
    assert attempts.waits == [7] * 10


def test_a_unique_violation_is_tried_once_more_at_once() -> None:
    attempts = Attempts(of_state("23505"))
    assert attempts.run() == "done"
    assert attempts.waits == [0.0]
    with pytest.raises(sqlalchemy.exc.DBAPIError):
        Attempts(of_state("23505"), of_state("23505")).run()


@pytest.mark.parametrize("fault", [of_state("22001"), KeyError("x")])
def test_data_and_bugs_are_not_tried_again(fault: Exception) -> None:
    attempts = Attempts(fault)
    with pytest.raises(type(fault)):
        attempts.run()
    assert attempts.waits == []


def test_a_wait_may_give_up() -> None:
    class GivenUp(Exception):  # noqa: N818 - a signal of this test
        pass

    def sleep(_seconds: float) -> None:
        raise GivenUp

    retrying = RetryPolicy().retrying(sleep=sleep, before_wait=lambda _kind, _fault: None)
    with pytest.raises(GivenUp):
        retrying(Attempts(of_state("08006"))._work)


@pytest.mark.parametrize("looped", [True, False])
def test_what_tried_a_transaction_goes_at_its_end_and_not_when_the_cyclic_collector_looks(*, looped: bool) -> None:
    gc.disable()
    try:
        retrying = RetryPolicy().retrying(sleep=lambda _seconds: None, before_wait=lambda _kind, _fault: None)
        if looped:
            for attempt in retrying:
                with attempt:
                    pass
            del attempt
        else:
            retrying(int)
        left = weakref.ref(retrying)
        del retrying
        assert left() is None
    finally:
        gc.enable()
