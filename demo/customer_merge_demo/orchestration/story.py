"""The whole story: start the system, feed it, wait until it is at rest, check everything, write it down, clean up."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from customer_merge_demo.customers import TENANT_ID, Customer, CustomerSet
from customer_merge_demo.orchestration import keeper
from customer_merge_demo.orchestration.engine_room import EngineRoom
from customer_merge_demo.orchestration.processes import ProcessEnded, Processes
from customer_merge_demo.orchestration.programs import DESK, MERGE_WORKER, ProgramFailed, System
from customer_merge_demo.orchestration.readiness import wait_until_ready
from customer_merge_demo.orchestration.rest import RestWatch, still_moving
from customer_merge_demo.orchestration.servers import (
    Servers,
    embedded_bus,
    embedded_client,
    embedded_database,
    given_bus,
    given_database,
)
from customer_merge_demo.progress import Display, display
from customer_merge_demo.results.checks import Check
from customer_merge_demo.results.collect import Ending, collect
from customer_merge_demo.results.facts import Facts
from customer_merge_demo.results.waiting import OpenCases
from customer_merge_demo.systems import SYSTEMS

_LOOK_AGAIN_S = 0.25
_CHUNK_FILL = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    customers: CustomerSet
    out: Path
    kafka: str | None = None
    database_url: str | None = field(default=None, repr=False)
    keep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How to reach what `--keep` left running."""

    servers: Servers
    system: System
    keeper_pid: int


@dataclass(slots=True)
class _Stopwatch:
    laps: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = now - self._since
        self._since = now


def tell(options: Options) -> tuple[Facts, Kept | None]:
    """Run the story; returns its facts, and with `keep` how to reach what is left running.

    Raises Fault for whatever keeps the story from its end; everything is cleaned up in any case.
    """
    with ExitStack() as stack:
        shown = stack.enter_context(display())
        watch = _Stopwatch()
        shown.step("starting the database and the bus")
        kept = _keeper(stack, options) if options.keep else None
        servers = stack.enter_context(_servers(options, kept))
        system = System.on(servers)
        shown.step("making the tables")
        system.migrate()
        processes = stack.enter_context(Processes(options.out / "logs", lives_with=kept.pid if kept else None))
        shown.step("starting the services")
        for program in system.programs():
            processes.start(program)
        facts = _Teller(options=options, system=system, processes=processes, shown=shown, watch=watch).told()
        if kept is None:
            shown.step("stopping everything")
            return facts, None
        stack.pop_all()  # nothing is stopped: it lives with the keeper now
        shown.__exit__(None, None, None)
        return facts, Kept(servers=servers, system=system, keeper_pid=kept.pid)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Teller:
    """The part of the story between the start of the services and their end."""

    options: Options
    system: System
    processes: Processes
    shown: Display
    watch: _Stopwatch

    def told(self) -> Facts:
        customers = self.options.customers.customers
        with last_lines_told(), EngineRoom(self.system.servers, customers, self.options.out / "events.jsonl") as room:
            fill_systems(room, customers)
            wait_until_ready(self.processes, self.system.ports)
            self.watch.lap("servers, tables and services up")
            self.shown.step(f"feeding {len(customers):,} records")
            self._until_at_rest(room)
            self.shown.step("checking")
            return self._checked(room)

    def _until_at_rest(self, room: EngineRoom) -> None:
        rest = RestWatch(lambda: still_moving(room.probe, room.recorder))
        room.feed()
        fed = False
        while not (fed and rest.is_over()):
            self.processes.require_all_alive()
            self.processes.sample_memory()
            self.shown.show(room.sample(), room.feeder.total)
            if not fed and room.feeder.is_done:
                self.watch.lap("records in")
                fed = True
            time.sleep(_LOOK_AGAIN_S)
        self.watch.lap("from the last record to rest")
        self.shown.show(room.sample(), room.feeder.total, last=True)

    def _checked(self, room: EngineRoom) -> Facts:
        more_checks, open_cases = [_verified(self.system), _audited(self.system)], _open_cases(self.system)
        self.watch.lap("verified by the worker")
        self.processes.sample_memory()
        ending = Ending(
            customers=self.options.customers,
            heard=room.recorder.heard,
            samples=room.samples,
            timing=self.watch.laps,
            memory=dict(self.processes.peak_memory()),
            more_checks=more_checks,
            open_cases=open_cases,
        )
        with room.engine.connect() as connection:
            return collect(connection, ending, self.options.out)


@contextmanager
def last_lines_told() -> Iterator[None]:
    """When a process ends by itself, print its last log lines before the fault goes on."""
    try:
        yield
    except ProcessEnded as ended:
        for line in ended.last_lines:
            print(f"    {line}", file=sys.stderr)  # noqa: T201 - what the process said before its end
        raise


def _until_at_rest(options: Options, room: EngineRoom, processes: Processes, shown: Display, watch: _Stopwatch) -> None:
    total = len(options.customers.customers)
    rest = RestWatch(lambda: still_moving(room.probe, room.recorder))
    room.feed()
    fed = False
    while True:
        processes.require_all_alive()
        processes.sample_memory()
        shown.show(room.sample(), total)
        if room.feeder.is_done:
            if not fed:
                watch.lap("records in")
                fed = True
            if rest.is_over():
                watch.lap("from the last record to rest")
                shown.show(room.sample(), total)
                return
        time.sleep(_LOOK_AGAIN_S)


def fill_systems(room: EngineRoom, customers: Sequence[Customer]) -> None:
    """Give the downstream systems what they knew before any merge."""
    with room.engine.begin() as connection:
        for start in range(0, len(customers), _CHUNK_FILL):
            for system in SYSTEMS:
                system.fill(connection, TENANT_ID, customers[start : start + _CHUNK_FILL])


def _verified(system: System) -> Check:
    title = "merge-worker verify --all: nothing is left on a merged record, sums and maps agree"
    return _asked(system, title, "verify", "--all")


def _audited(system: System) -> Check:
    title = "merge-worker audit verify: the published history is whole and rebuilds the map"
    return _asked(system, title, "audit", "verify")


def _asked(system: System, title: str, *arguments: str) -> Check:
    answer = system.ask(MERGE_WORKER, *arguments)
    return Check(
        title=title,
        passed=answer.returncode == 0,
        detail=_last_words(answer.stdout if answer.returncode == 0 else answer.stderr or answer.stdout),
    )


def _open_cases(system: System) -> OpenCases:
    answer = system.ask(DESK, "list", "--state", "OPEN", "--json")
    if answer.returncode:
        raise ProgramFailed(f"{DESK} list failed: {_last_words(answer.stderr)}")
    return OpenCases.read(answer.stdout)


def _last_words(said: str) -> str:
    return said.strip().rpartition("\n")[2].lstrip("# ") or "no finding"


def _keeper(stack: ExitStack, options: Options) -> keeper.Kept:
    kept = keeper.start(database=options.database_url is None, bus=options.kafka is None)
    stack.callback(keeper.stop, kept)
    return kept


@contextmanager
def _servers(options: Options, kept: keeper.Kept | None) -> Iterator[Servers]:
    with ExitStack() as stack:
        # The user's servers first: whatever is wrong with them is said before anything is started.
        kafka: Mapping[str, str] | None = None
        database_url, prefix = "", ""
        if options.database_url is not None:
            database_url = stack.enter_context(given_database(options.database_url, keep=options.keep))
        if options.kafka is not None:
            kafka, prefix = stack.enter_context(given_bus(options.kafka, keep=options.keep))
        if options.database_url is None:
            database_url = kept.database_url if kept else stack.enter_context(embedded_database())
        if kafka is None:
            kafka = embedded_client(kept.bootstrap if kept else stack.enter_context(embedded_bus()))
        yield Servers(
            database_url=database_url,
            kafka=kafka,
            topic_prefix=prefix,
            embedded_bus=options.kafka is None,
            embedded_database=options.database_url is None,
        )
