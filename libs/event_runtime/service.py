"""A running service: its loops in threads, its signals, its health over HTTP.

A composition root makes one Service, hands it loops (pipelines, relays, periodic work) and returns `run()`. On SIGTERM
or SIGINT it turns unready, lets every loop finish what it has in hand, and ends with status 0.
"""

import gc
import os
import random
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from event_runtime import failpoints
from event_runtime.faults import Fault, SettingError, describe
from event_runtime.health import Health, Progress
from event_runtime.http_endpoints import Guard, HttpEndpoints, Responder
from event_runtime.logs import get_logger
from event_runtime.metrics import RuntimeMetrics
from event_runtime.settings import HttpSettings

# An orchestrator kills after 30 s: everything must be closed by then.
STOP_LIMIT_S = 25.0
_LOOK_FOR_STOP_S = 0.5
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
# So many net new objects before the cyclic garbage collector looks at them. A batch makes some ten thousand and drops
# them all, none in a cycle; with Python's 700 the collector took a quarter of a worker's time to find that out.
_YOUNG_OBJECTS = 100_000
_log = get_logger(__name__)


class Loop(Protocol):
    """Something that works until it is told to stop: a pipeline, a relay."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then finish what is in hand and return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    name: str
    loop: Loop
    progress: Progress


class Service:
    """One process of a service. Nothing runs and nothing listens before `run`."""

    def __init__(
        self, name: str, *, http: HttpSettings, metrics: RuntimeMetrics, stop_limit_s: float = STOP_LIMIT_S
    ) -> None:
        self.name = name
        self.health = Health()
        self._http = http
        self._metrics = metrics
        self._stop_limit_s = stop_limit_s
        self._stop = threading.Event()
        self._gate = threading.Event()
        self._prerequisites: list[tuple[str, Callable[[], object]]] = []
        self._loops: list[_Started] = []
        self._closers: list[Callable[[], object]] = []
        self._responders: dict[str, Responder] = {}
        self._guards: dict[str, Guard] = {}
        self._fault: BaseException | None = None
        self._wakeup: int | None = None

    def needs(self, name: str, check: Callable[[], object]) -> None:
        """No loop starts before `check` has returned once; while it raises it is tried again, and /readyz says why."""
        self._prerequisites.append((name, check))

    def loop(self, name: str, make: Callable[[Progress], Loop]) -> None:
        """Run what `make` returns in a thread of its own; `make` gets what /livez and /readyz are answered from."""
        progress = self.health.watch(Progress(name))
        self._loops.append(_Started(name=name, loop=make(progress), progress=progress))

    def every(
        self, seconds: float, name: str, work: Callable[[], object], *, sooner: threading.Event | None = None
    ) -> None:
        """Call `work` every so many seconds, in a thread of its own; when a server is away it is tried again.

        Whoever sets `sooner` has it called at once, or once more if it is at work; a fault is waited out first.
        """
        self.loop(name, lambda progress: _Periodic(seconds, work, progress, self._metrics, sooner))

    def closes(self, close: Callable[[], object]) -> None:
        """Call `close` at the end, after all loops have returned; the last given goes first."""
        self._closers.append(close)

    def answers(self, name: str, responder: Responder, guard: Guard | None = None) -> None:
        """Let `responder` answer what is asked over HTTP under /name/ by those whom `guard` lets through."""
        self._responders[name] = responder
        if guard is not None:
            self._guards[name] = guard

    def run(self) -> int:
        """Work until a signal comes; the exit status. Raises SettingError or Fault when that is why it ended."""
        failpoints.arm(os.environ)
        _spare_the_collector()
        http = HttpEndpoints(self._http, self.health, self._metrics.registry, self._responders, guards=self._guards)
        with http as endpoints, self._wakeups() as wakeup:
            names = [started.name for started in self._loops]
            _log.info("service_started", http_host=self._http.host, http_port=endpoints.port, loops=names)
            threads = [threading.Thread(target=self._run_loop, args=(each,), name=each.name) for each in self._loops]
            threads.append(threading.Thread(target=self._open_gate, name="gate"))
            for thread in threads:
                thread.daemon = True  # one that never returns must not keep the process
                thread.start()
            if not self._stop.is_set():
                select.select([wakeup], [], [])
            _log.info("service_stopping")
            self.health.stop()
            self._stop.set()
            self._gate.set()
            late = _wait_for_ends(threads, self._stop_limit_s)
        for close in reversed(self._closers):
            close()
        if isinstance(self._fault, Fault):
            raise self._fault
        if late:  # what they had in hand is not lost: it was not committed
            _log.error("service_stopped", unfinished_loops=late)
        else:
            _log.info("service_stopped")
        return 1 if late or self._fault is not None else 0

    def stop(self) -> None:
        """Begin to stop, as a signal would."""
        if self._wakeup is None:
            self._stop.set()
        elif not self._stop.is_set():
            os.write(self._wakeup, b"s")

    @contextmanager
    def _wakeups(self) -> Iterator[int]:
        # A handler may run while the main thread holds the very lock that an Event needs: it only writes a byte here.
        receive, self._wakeup = os.pipe()
        os.set_blocking(self._wakeup, False)
        before = signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, _only_once) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield receive
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            wakeup, self._wakeup = self._wakeup, None
            os.close(wakeup)
            os.close(receive)

    def _run_loop(self, started: _Started) -> None:
        try:
            self._gate.wait()
            if not self._stop.is_set():
                started.loop.run(self._stop)
        except Exception as fault:  # noqa: BLE001 - the end of a thread: told, and the process ends with it
            _log.error("loop_failed", loop=started.name, exc_info=fault)
            self._metrics.loop_failures_total.inc()
            started.progress.failed(describe(fault))
            self._fault = self._fault or fault
            self.stop()
        else:
            started.progress.ended()

    def _open_gate(self) -> None:
        """Let the loops begin once everything they need is there."""
        for name, check in self._prerequisites:
            try:
                self._wait_for(name, check)
            except SettingError as wrong:
                self._fault = wrong
                self.stop()
                return
        self._gate.set()

    def _wait_for(self, name: str, check: Callable[[], object]) -> None:
        backoff, said = _Backoff(), ""
        while not self._stop.is_set():
            try:
                check()
            except SettingError:
                raise
            except Exception as fault:  # noqa: BLE001 - whatever is lacking, it waits and says so
                reason = f"{name}: {describe(fault)}"
                for started in self._loops:
                    started.progress.waiting(reason)
                if reason != said:
                    _log.warning("waiting_for_server", reason=reason)
                said = reason
                self._stop.wait(backoff.next_s())
            else:
                return


class _Periodic:
    """Calls something every so often. A fault never ends it: what one call could not do, a later one may."""

    def __init__(
        self,
        every_s: float,
        work: Callable[[], object],
        progress: Progress,
        metrics: RuntimeMetrics,
        sooner: threading.Event | None,
    ) -> None:
        self._sooner = sooner
        self._every_s = every_s
        self._work = work
        self._progress = progress
        self._metrics = metrics

    def run(self, stop: threading.Event) -> None:
        backoff = _Backoff()
        while not stop.is_set():
            if self._sooner is not None:
                self._sooner.clear()  # before the work, which sees all that came until now
            try:
                self._work()
            except SettingError:
                raise
            except Exception as fault:  # noqa: BLE001 - see the class
                self._metrics.loop_failures_total.inc()
                self._progress.waiting(describe(fault))
                _log.warning("periodic_work_failed", loop=self._progress.name, exc_info=fault)
                stop.wait(backoff.next_s())
            else:
                self._progress.ready()
                backoff = _Backoff()
                self._rest(stop)

    def _rest(self, stop: threading.Event) -> None:
        if self._sooner is None:
            stop.wait(self._every_s)
            return
        until_s = time.monotonic() + self._every_s
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            if self._sooner.wait(min(left_s, _LOOK_FOR_STOP_S)):
                return


class _Backoff:
    """Waits that double up to a limit, jittered so that many processes do not knock at once."""

    def __init__(self) -> None:
        self._wait_s = _FIRST_WAIT_S

    def next_s(self) -> float:
        wait_s, self._wait_s = self._wait_s, min(self._wait_s * 2, _LONGEST_WAIT_S)
        return wait_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def _only_once(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once


def _spare_the_collector() -> None:
    gc.freeze()  # what was imported stays for good
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])


def _wait_for_ends(threads: list[threading.Thread], limit_s: float) -> list[str]:
    until = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]
