"""Whether a service is alive (its loops come round) and ready (its loops have what they need)."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

# A batch's transaction ends within 10 s and a wait comes round every 30 s at the latest: ten missed rounds are a hang.
DEFAULT_SILENCE_LIMIT_S = 120.0


class LoopState(StrEnum):
    """Where a loop stands."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopHealth:
    """What a loop says of itself at one moment."""

    name: str
    state: LoopState
    reason: str
    silent_s: float
    alive: bool


class Progress:
    """One loop's account of itself; written by the loop's thread, read by the HTTP threads."""

    def __init__(
        self,
        name: str,
        *,
        silence_limit_s: float = DEFAULT_SILENCE_LIMIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._silence_limit_s = silence_limit_s
        self._clock = clock
        self._lock = threading.Lock()
        self._state, self._reason = LoopState.STARTING, "has not begun"
        self._last_beat_s = clock()

    def beat(self) -> None:
        """The loop came round."""
        self._last_beat_s = self._clock()

    def ready(self) -> None:
        """The loop has all it needs."""
        self._become(LoopState.READY, "")

    def waiting(self, reason: str) -> None:
        """The loop lacks something and tries again by itself. `reason` is shown to operators: no personal data."""
        self._become(LoopState.WAITING, reason)

    def failed(self, reason: str) -> None:
        """The loop has stopped for good: the process stays up, unready, until somebody has looked."""
        self._become(LoopState.FAILED, reason)

    def ended(self) -> None:
        """The loop has returned, as it was asked to."""
        self._become(LoopState.ENDED, "has ended")

    def look(self) -> LoopHealth:
        """The loop's state now."""
        with self._lock:
            state, reason = self._state, self._reason
        silent_s = max(0.0, self._clock() - self._last_beat_s)
        # A loop that halted on purpose is a matter for a person, not for a restart.
        alive = state in {LoopState.FAILED, LoopState.ENDED} or silent_s <= self._silence_limit_s
        return LoopHealth(name=self.name, state=state, reason=reason, silent_s=round(silent_s, 3), alive=alive)

    def _become(self, state: LoopState, reason: str) -> None:
        self.beat()
        with self._lock:
            self._state, self._reason = state, reason


class Health:
    """The health of a service: that of its loops, and whether it is stopping."""

    def __init__(self) -> None:
        self._loops: list[Progress] = []
        self._stopping = threading.Event()

    def watch(self, progress: Progress) -> Progress:
        """Count `progress` in; returns it."""
        self._loops.append(progress)
        return progress

    def stop(self) -> None:
        """The service is stopping: unready from now on."""
        self._stopping.set()

    def loops(self) -> list[LoopHealth]:
        """Every loop's state now."""
        return [progress.look() for progress in self._loops]

    def is_alive(self) -> bool:
        """Every loop comes round. Lag is no part of it: a restart would only make it worse."""
        return all(loop.alive for loop in self.loops())

    def unready_because(self) -> list[str]:
        """What the service waits for, one line each; empty when it is ready."""
        reasons = ["stopping"] if self._stopping.is_set() else []
        unready = (loop for loop in self.loops() if loop.state is not LoopState.READY)
        return reasons + [f"{loop.name}: {loop.state}: {loop.reason}" for loop in unready]
