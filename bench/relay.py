"""`relay`: rows a second from a full outbox to Kafka in transactions, beside a producer that has nothing else to do.

One relay, real rows with their headers, 1,000 a transaction (one tenant, so one stream: the relay's own limit).
Beside it, in turns, a producer that sends the same bytes in transactions of the same size from memory: no database,
no digest, no progress. What counts, of both, is from the first transaction readable `read_committed` to the last.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from confluent_kafka import Consumer
from sqlalchemy import Engine

from bench import ROOT
from bench.figures import Figure, middle
from bench.merge import committed_reader
from bench.relay_rows import drafts
from bench.servers import Servers, servers
from bench.warm_broker import warm_up
from event_runtime.database import create_engine
from event_runtime.outbox import Outbox
from event_runtime.relay import RelayPolicy
from rig import topics
from rig.processes import Program, service_env

GOAL = "≥ 0.5 of a bare producer"
TOPIC, BARE = "customer-alias", "bench-bare"
PARTITIONS = 8
ROWS_A_TRANSACTION = RelayPolicy().max_rows  # of one stream, and all of them are of one
DRAFTS_AN_APPEND = 5_000
END_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Rows of each run."""

    rows: int
    runs: int
    broker_warm_up_s: float


FULL = Size(rows=200_000, runs=3, broker_warm_up_s=40.0)
QUICK = Size(rows=40_000, runs=1, broker_warm_up_s=10.0)


def measure(*, quick: bool) -> Figure:
    """Run the benchmark. Raises AssertionError when rows do not arrive."""
    size = QUICK if quick else FULL
    with bench(size) as parts:
        runs = [
            {"rows_per_s": parts.relayed(size.rows), "bare_rows_per_s": parts.bare(size.rows)} for _ in range(size.runs)
        ]
    for run in runs:
        run["ratio"] = run["rows_per_s"] / run["bare_rows_per_s"]
    return Figure(
        name="relay",
        value=middle(runs, "rows_per_s"),
        unit="rows/s",
        reference=middle(runs, "bare_rows_per_s"),
        ratio=middle(runs, "ratio"),
        goal=GOAL,
        runs=runs,
        details={"rows": size.rows, "rows_a_transaction": ROWS_A_TRANSACTION},
    )


@contextmanager
def bench(size: Size) -> Iterator["Parts"]:
    """Start the servers and migrate the worker's schema."""
    with servers() as at:
        names = ("merge-command", "merge-outcome", "customer-merged", "merge-quarantine")
        topics.create(at.bootstrap, {TOPIC: PARTITIONS, BARE: PARTITIONS, **dict.fromkeys(names, 1)})
        warm_up(at.bootstrap, seconds=size.broker_warm_up_s)
        parts = Parts(at)
        try:
            yield parts
        finally:
            parts.close()


class Parts:
    """The servers, and the readers of both topics."""

    def __init__(self, at: Servers) -> None:
        """Readers join nothing: their partitions are assigned by hand."""
        self._at = at
        self._readers = {topic: committed_reader(at.bootstrap, topic) for topic in (TOPIC, BARE)}

    def close(self) -> None:
        """Let the readers go, before their broker does."""
        for reader in self._readers.values():
            reader.close()

    def relayed(self, rows: int) -> float:
        """Rows a second of a relay that finds so many."""
        engine = create_engine(self._at.database)
        try:
            fill(engine, rows)
        finally:
            engine.dispose()
        environment = service_env("MERGE_WORKER", database=self._at.database, bootstrap=self._at.bootstrap)
        relay = Program(["merge-worker", "relay"], environment, self._at.directory)
        try:
            return read(self._readers[TOPIC], rows)
        finally:
            relay.stop()

    def bare(self, rows: int) -> float:
        """Rows a second of the bare producer."""
        argv = [sys.executable, "-m", "bench.relay_rows", self._at.bootstrap, BARE, str(rows), str(ROWS_A_TRANSACTION)]
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as producer:
            if producer.stdout is None or producer.stdin is None or not producer.stdout.readline():
                raise AssertionError("the bare producer has ended")
            producer.stdin.write("go\n")
            producer.stdin.flush()
            return read(self._readers[BARE], rows)


def fill(engine: Engine, rows: int) -> None:
    """Put rows into the worker's outbox."""
    outbox, more = Outbox("merge"), drafts(TOPIC, rows)
    while some := list(islice(more, DRAFTS_AN_APPEND)):
        with engine.begin() as connection:
            outbox.append(connection, some)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE merge.outbox")


def read(reader: Consumer, count: int) -> float:
    """Read so many records; those after the first arrivals, a second."""
    until_s, left, first_s, at_first = time.monotonic() + END_LIMIT_S, count, 0.0, 0
    while left > 0:
        arrived = sum(1 for message in reader.consume(min(left, 10_000), 0.05) if message.error() is None)
        left -= arrived
        if arrived and not at_first:
            first_s, at_first = time.monotonic(), arrived
        if time.monotonic() > until_s:
            raise AssertionError(f"{left} of {count} rows did not become readable")
    return (count - at_first) / (time.monotonic() - first_s)
