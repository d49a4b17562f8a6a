"""`large`: rows a second of one merge of a million child rows, beside a hundred small merges a second.

Two workers and a relay, one broker, one server, synchronous commit on. First the small merges run alone; then they run
while the large one moves; the ratio is that of their p99, from the moment a command was due to its CustomerMerged
readable. It is taken apart again beside as many. At last another such merge is moved, and taken apart, while the worker
that moves it is killed (SIGKILL) at ten random chunks each way.
"""

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Producer

from bench import ROOT
from bench.figures import Figure, percentile
from bench.large_merge import SMALL_A_SECOND, LargeMerge, Load, seed_large
from bench.load_small_merges import Record, command, undo_command
from bench.merge import PARTITIONS, committed_reader, seed
from bench.servers import WORKER_SCHEMAS, servers
from rig import topics
from rig.broker import QUICK_JAVA
from rig.invariants import CODEC, assert_promises
from rig.processes import Program, eventually, service_env

GOAL = "≥ 30,000 rows/s; p99 of small merges at most twice that alone"
WORKERS = 2
KILLS = 10
END_LIMIT_S = 300.0
CHUNK_ROWS = 1_000
# A worker that is killed must be missed soon; nothing else here depends on it.
GROUP = {"KAFKA__GROUP_PROTOCOL": "classic", "KAFKA__SESSION_TIMEOUT_MS": "6000", "KAFKA__HEARTBEAT_INTERVAL_MS": "500"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Child rows of a large customer, seconds of small merges in the warm-up, alone, and beside the large merge."""

    rows: int
    warm_up_s: int
    alone_s: int
    beside_s: int


FULL = Size(rows=1_000_000, warm_up_s=20, alone_s=40, beside_s=40)
QUICK = Size(rows=100_000, warm_up_s=5, alone_s=8, beside_s=8)


def measure(*, quick: bool) -> Figure:
    """Run the benchmark. Raises AssertionError when a promise does not hold afterwards."""
    size = QUICK if quick else FULL
    with bench(size) as parts:
        parts.small_merges(size.warm_up_s)
        parts.wait_for_all()
        alone = parts.small_merges(size.alone_s)
        parts.wait_for_all()
        beside = parts.small_merges(size.beside_s)
        large = parts.large_merge("big-0")
        parts.wait_for_all()
        beside_undo = parts.small_merges(size.beside_s)
        undone = parts.undo("big-0")
        parts.wait_for_all()
        killed = parts.large_merge("big-1", kills=KILLS)
        undone_killed = parts.undo("big-1", kills=KILLS)
        parts.check(size.rows)
        run = {
            "rows_per_s": size.rows / large.seconds,
            "alone_p50_ms": percentile(parts.delays_ms(alone), 50),
            "alone_p99_ms": percentile(parts.delays_ms(alone), 99),
            "beside_p50_ms": percentile(parts.delays_ms(beside, large), 50),
            "beside_p99_ms": percentile(parts.delays_ms(beside, large), 99),
            "flip_ms": large.flip_ms,
            "killed_rows_per_s": size.rows / killed.seconds,
            "kills": killed.kills,
            "undone_rows_per_s": size.rows / undone.seconds,
            "beside_undo_p50_ms": percentile(parts.delays_ms(beside_undo, undone), 50),
            "beside_undo_p99_ms": percentile(parts.delays_ms(beside_undo, undone), 99),
            "undone_killed_rows_per_s": size.rows / undone_killed.seconds,
        }
    return Figure(
        name="large",
        value=run["rows_per_s"],
        unit="rows/s",
        reference=run["alone_p99_ms"],
        ratio=run["beside_p99_ms"] / run["alone_p99_ms"],
        goal=GOAL,
        runs=[run],
        details={"rows": size.rows, "small_merges_per_s": SMALL_A_SECOND, "workers": WORKERS, "reference_unit": "ms"},
    )


@contextmanager
def bench(size: Size) -> Iterator["Parts"]:
    """Start the servers, fill a database, and start the worker's processes."""
    with servers(WORKER_SCHEMAS, java_options=QUICK_JAVA) as at, ExitStack() as stack:
        seed(at.database, (size.warm_up_s + size.alone_s + 2 * size.beside_s) * SMALL_A_SECOND)
        seed_large(at.database, ["big-0", "big-1"], size.rows)
        topics.create(at.bootstrap, PARTITIONS)
        parts = Parts(database=at.database, bootstrap=at.bootstrap, directory=at.directory)
        stack.callback(parts.end)
        for _ in range(WORKERS):
            parts.start("run", "--no-relay")
        parts.start("relay")
        yield parts


@dataclass(slots=True, kw_only=True)
class Parts:
    """The running parts of the benchmark, and when which event became readable."""

    database: str
    bootstrap: str
    directory: Path
    programs: list[Program] = field(default_factory=list)
    merged_s: dict[str, float] = field(default_factory=dict)
    moved_s: dict[str, float] = field(default_factory=dict)
    undone_s: dict[str, float] = field(default_factory=dict)
    asked: int = 0
    _pairs: int = 0
    _loaders: list[subprocess.Popen[str]] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)
    _reader: Any = None

    def start(self, *arguments: str) -> Program:
        """Start a process of the worker."""
        environment = service_env("MERGE_WORKER", database=self.database, bootstrap=self.bootstrap, **GROUP)
        self.programs.append(Program(["merge-worker", *arguments], environment, self.directory))
        return self.programs[-1]

    def end(self) -> None:
        """Kill everything."""
        for program in self.programs:
            program.kill()
        for loader in self._loaders:
            loader.kill()
        if self._reader is not None:
            self._reader.close()

    def small_merges(self, seconds: int) -> Load:
        """Begin to send small merges; they go on being sent while this returns."""
        count = seconds * SMALL_A_SECOND
        argv = [sys.executable, "-m", "bench.load_small_merges", self.bootstrap, str(self._pairs), str(count)]
        loader = subprocess.Popen([*argv, str(SMALL_A_SECOND)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._loaders.append(loader)
        assert loader.stdout is not None
        load = Load(first=self._pairs, count=count, start_s=float(loader.stdout.readline()))
        self._pairs += count
        self.asked += count
        return load

    def wait_for_all(self) -> None:
        """Wait until every merge that was asked for is readable."""
        self._read_until(lambda: len(self.merged_s) == self.asked and not any(map(_runs, self._loaders)))

    def large_merge(self, name: str, kills: int = 0) -> LargeMerge:
        """Ask for a large merge and wait until its rows have moved; kill its mover at so many random chunks."""
        asked_s = self._send(command(name, f"w-{name}", f"l-{name}"))
        self.asked += 1
        self._read_until(lambda: name in self.merged_s)
        self._kill_movers("large_merges", name, kills)
        self._read_until(lambda: name in self.moved_s)
        return LargeMerge(asked_s=asked_s, began_s=self.merged_s[name], ended_s=self.moved_s[name], kills=kills)

    def undo(self, name: str, kills: int = 0) -> LargeMerge:
        """Have a large merge taken apart and wait until it is; kill whoever does it at so many random chunks."""
        (merge_id,) = (merge_id for merge_id, merged in self._names.items() if merged == name)
        asked_s = self._send(undo_command(f"undo-{name}", merge_id))
        self._kill_movers("large_unmerges", f"undo-{name}", kills)
        self._read_until(lambda: merge_id in self.undone_s)
        return LargeMerge(asked_s=asked_s, began_s=asked_s, ended_s=self.undone_s[merge_id], kills=kills)

    def delays_ms(self, load: Load, during: LargeMerge | None = None) -> list[float]:
        """From due to readable, of all commands of a load or of those that were due during a large merge."""
        pairs = range(load.first, load.first + load.count)
        if during is not None:
            pairs = [pair for pair in pairs if during.asked_s <= load.due_s(pair) <= during.ended_s]  # type: ignore[assignment]
        return [(self.merged_s[f"c{pair}"] - load.due_s(pair)) * 1_000 for pair in pairs]

    def check(self, rows: int) -> None:
        """Assert that everybody has their own rows again, and promises I1 to I5."""
        with psycopg.connect(self.database) as connection:
            owners = connection.execute(
                "SELECT customer_id, count(*) FROM store.orders WHERE customer_id ~ '-big-' GROUP BY 1 ORDER BY 1"
            ).fetchall()
        assert owners == [("l-big-0", rows), ("l-big-1", rows)], owners
        evidence = assert_promises(self.database, self.bootstrap, "")
        kinds = [one.type for one in evidence.stream_events]
        found = tuple(map(kinds.count, ("CustomerMerged", "RowsMoved", "CustomerUnmerged")))
        assert found == (self.asked, 2, 2), found

    def _send(self, record: Record) -> float:
        """Publish a command; answers when it was due."""
        now_s = time.monotonic()
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"})
        key, value, headers = record
        producer.produce("merge-command", key=key, value=value, headers=headers)
        assert producer.flush(30) == 0
        return now_s

    def _kill_movers(self, table: str, command_id: str, kills: int) -> None:
        """Kill whoever moves the rows each time they have come some random chunks further, and start another."""
        if not kills:
            return
        chance = random.Random(command_id)  # noqa: S311 - the same chunks in every run, not a secret
        with psycopg.connect(self.database, autocommit=True) as connection:

            def progress() -> Mapping[str, Any]:
                return _progress(connection, table, command_id)

            chunks = eventually(lambda: progress().get("rows_total"), END_LIMIT_S) // CHUNK_ROWS
            for chunk in sorted(chance.sample(range(1, chunks), kills)):
                rows = chunk * CHUNK_ROWS
                eventually(lambda at=rows: progress()["rows_moved"] >= at, END_LIMIT_S, every_s=0.002)  # type: ignore[misc]
                pid = int(progress()["owner"].rpartition(":")[2])
                (victim,) = (program for program in self.programs if program.pid == pid)
                victim.kill()
                self.programs.remove(victim)
                self.start("run", "--no-relay")

    def _read_until(self, done: Any) -> None:
        if self._reader is None:
            self._reader = committed_reader(self.bootstrap)
        until = time.monotonic() + END_LIMIT_S
        while not done():
            first = self._reader.poll(0.01)
            for message in () if first is None else (first, *self._reader.consume(500, 0)):
                if message.error() is None:
                    self._take(CODEC.decode(message.value()), time.monotonic())
            ended = [program.tail() for program in self.programs if program.returncode is not None]
            if ended or time.monotonic() > until:
                raise AssertionError("\n".join(ended or [program.tail() for program in self.programs]))

    def _take(self, event: Any, now_s: float) -> None:
        match type(event).__name__:
            case "CustomerMerged":
                self.merged_s[event.command_id] = now_s
                self._names[event.merge_id] = event.command_id
            case "RowsMoved":
                self.moved_s[self._names[event.merge_id]] = now_s
            case "CustomerUnmerged":
                self.undone_s[event.merge_id] = now_s


def _progress(connection: psycopg.Connection[Any], table: str, command_id: str) -> Mapping[str, Any]:
    """Nothing before somebody has begun."""
    row = connection.execute(
        f"SELECT rows_moved, rows_total, owner FROM merge.{table} WHERE command_id = %s AND rows_moved > 0",
        (command_id,),
    ).fetchone()
    return {} if row is None else dict(zip(("rows_moved", "rows_total", "owner"), row, strict=True))


def _runs(loader: subprocess.Popen[str]) -> bool:
    return loader.poll() is None
