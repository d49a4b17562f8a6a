"""Short transactions of long work, tried again when others were in the way."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine

from event_runtime.retry import FaultClass, RetryPolicy

_POLICY: Final = RetryPolicy(contention_attempts=8)
_Result = TypeVar("_Result")


def in_turn(engine: Engine, work: Callable[[Connection], _Result]) -> _Result:
    """Do `work` in a transaction; after a deadlock or a time limit, all of it again. Else raises what it raised.

    A lost connection ends long work: what it had done is noted, and the person who runs it is there to go on.
    """
    for attempt in _POLICY.retrying(sleep=time.sleep, before_wait=_only_contention):
        with attempt, engine.begin() as connection:
            return work(connection)
    raise AssertionError  # the loop ends by returning or raising


def _only_contention(kind: FaultClass, fault: BaseException) -> None:
    if kind is not FaultClass.CONTENTION:
        raise fault
