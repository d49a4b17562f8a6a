"""Tells when a run is over: nothing anywhere is still on its way, and that twice in a row."""

from __future__ import annotations

import time
from collections.abc import Callable

from customer_merge_demo.orchestration.probe import Probe
from customer_merge_demo.orchestration.recorder import Recorder
from customer_merge_demo.systems import SYSTEM_NAMES
from event_runtime.faults import Fault

# A command may be deferred for up to 60 s before it ends; longer without any movement is a fault.
STALLED_AFTER_S = 90.0
_SHOWN = 4


class NotAtRest(Fault):
    """The system did not come to rest."""


def still_moving(probe: Probe, recorder: Recorder) -> list[str]:
    """What is still on its way, a sentence each; empty when the system is at rest at this moment."""
    moving = probe.unpublished()
    lags = probe.lag(recorder.data_ends())
    moving += [f"{schema} has {lag:,} records of {topic} to read" for (schema, topic), lag in lags.items() if lag]
    if unanswered := probe.unanswered():
        moving.append(f"{unanswered:,} commands have no outcome yet")
    if undecided := probe.undecided():
        moving.append(f"{undecided:,} cases of the desk are neither decided nor with a person")
    merges = len(recorder.heard.merges)
    for system in SYSTEM_NAMES:
        if missing := merges - len(recorder.heard.acknowledged[system]):
            moving.append(f"{system} has {missing:,} merges to acknowledge")
    if not moving and not recorder.is_at_end():  # asks the broker about every partition: only when all else is quiet
        moving.append("the bus holds events that were not read back yet")
    return moving


class RestWatch:
    """Looks again and again; `is_over` answers yes at the second quiet look in a row."""

    def __init__(self, look: Callable[[], list[str]], clock: Callable[[], float] = time.monotonic) -> None:
        """`look` is `still_moving` on this run."""
        self._look = look
        self._clock = clock
        self._quiet_looks = 0
        self._seen: list[str] | None = None
        self._changed_at = clock()

    def is_over(self) -> bool:
        """Look once.

        Raises:
            NotAtRest: the same things have been on their way, unchanged, for STALLED_AFTER_S.
        """
        moving = self._look()
        self._quiet_looks = 0 if moving else self._quiet_looks + 1
        if moving != self._seen:
            self._seen, self._changed_at = moving, self._clock()
        elif moving and self._clock() - self._changed_at > STALLED_AFTER_S:
            more = f"; and {len(moving) - _SHOWN} more" if len(moving) > _SHOWN else ""
            raise NotAtRest(f"nothing has moved for {STALLED_AFTER_S:g} s: {'; '.join(moving[:_SHOWN])}{more}")
        return self._quiet_looks >= 2
