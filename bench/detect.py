"""`detect`: records a second from CustomerCreated in Kafka to MergeCandidateFound readable, beside Splink 4.

Two detectors and a relay, one broker, one PostgreSQL with synchronous commit, a base of 100,000 customers in the index
(`python -m bench.detect CUSTOMERS` measures another size). New customers come from a process of its own, as fast as the
broker takes them; every seventh is somebody who is there already. Beside it Splink finds the matches of new records in
the same base, one record at a time, and by 100 and 1,000.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from confluent_kafka import TopicPartition

from bench import ROOT, splink_venv
from bench.customers import NOTHING_SHARED, Shared, customer, write
from bench.figures import Figure, ProcessorTime, middle
from bench.merge import committed_reader, one
from bench.servers import DETECTOR_SCHEMAS, servers
from bench.warm_broker import warm_up
from customer_identity.blocking import keys_of
from customer_identity.normalise import normalise
from customer_identity.normalise.record import NormalisedRecord
from dedupe_detector.adapters.events import record_of
from dedupe_detector.adapters.postgres_index import HotKeys, PostgresIndex
from dedupe_detector.adapters.record_tables import Version, store
from event_runtime.database import create_engine
from rig import topics
from rig.processes import Program, service_env

GOAL: Final = "≥ 4,000 records/s on 2 cores; ≥ 300 times Splink one at a time"
DETECTORS: Final = 2
PARTITIONS: Final = {
    "customer-created": 8,
    "customer-merged": 8,
    "merge-command": 8,
    "merge-candidate": 8,
    "merge-quarantine": 1,
}
ARRIVALS_FOR_SPLINK: Final = 5_000
_HANDLED: Final = (
    "SELECT coalesce(sum(next_offset), 0)::bigint FROM detector.positions WHERE topic = 'customer-created'"
)
_WAITING: Final = (
    "SELECT sum(h.position - p.position)::bigint FROM detector.outbox_heads h"
    " JOIN detector.outbox_published p USING (stream)"
)
_TOLD: Final = "SELECT sum(position)::bigint FROM detector.outbox_heads"
_STORED_TOGETHER: Final = 1_000
_LOOK_EVERY_S: Final = 0.02
_END_LIMIT_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Customers in the index before; new ones in the warm-up and in each run."""

    customers: int
    warm_up: int
    records: int
    runs: int
    broker_warm_up_s: float = 20.0


FULL = Size(customers=100_000, warm_up=10_000, records=20_000, runs=3)
QUICK = Size(customers=10_000, warm_up=2_000, records=10_000, runs=1, broker_warm_up_s=5.0)


def measure(*, quick: bool, customers: int = 0) -> Figure:
    """Run the benchmark."""
    size = QUICK if quick else FULL
    if customers:
        size = Size(customers=customers, warm_up=size.warm_up, records=size.records, runs=size.runs)
    with bench(size) as parts:
        runs = [parts.detect(size.records) for _ in range(size.runs)]
    splink = splink_rates(size.customers)
    rate = middle(runs, "records_per_s")
    return Figure(
        name="detect",
        value=rate,
        unit="records/s",
        reference=splink["records_per_s_1"],
        ratio=rate / splink["records_per_s_1"],
        goal=GOAL,
        runs=runs,
        details={
            "customers": size.customers,
            "detectors": DETECTORS,
            "core_us": round(middle(runs, "core_us"), 1),
            "splink": {key: round(value, 2) for key, value in splink.items()},
        },
    )


@contextmanager
def bench(size: Size, shared: Shared = NOTHING_SHARED) -> Iterator["Parts"]:
    """Start the servers, fill the index, start the detectors, and work until they are warm."""
    with servers(DETECTOR_SCHEMAS) as at, ExitStack() as stack:
        fill(at.database, size.customers)
        topics.create(at.bootstrap, PARTITIONS)
        warm_up(at.bootstrap, seconds=size.broker_warm_up_s)
        parts = Parts(database=at.database, bootstrap=at.bootstrap, directory=at.directory, taken=size.customers)
        stack.callback(parts.end)
        for number in range(DETECTORS):
            parts.start(f"detector-{number}", "run", "--no-relay")
        parts.start("relay", "relay")
        parts.watch(at.pids)
        if size.warm_up:
            parts.detect(size.warm_up)
            parts.learned()
        parts.share(shared)
        yield parts


class Parts:
    """The running parts of the benchmark."""

    def __init__(self, *, database: str, bootstrap: str, directory: Path, taken: int) -> None:
        """`taken`: customers that are in the index already have the numbers up to this one."""
        self.database, self.bootstrap = database, bootstrap
        self._directory = directory
        self._programs: dict[str, Program] = {}
        self._processor = ProcessorTime({})
        self._next = taken + 1
        self._sent = self._found = 0
        self._shared = NOTHING_SHARED
        self._reader = committed_reader(bootstrap, "merge-candidate")

    def start(self, name: str, *arguments: str) -> None:
        """Start a process of the detector."""
        environment = service_env("DEDUPE_DETECTOR", database=self.database, bootstrap=self.bootstrap)
        self._programs[name] = Program(["dedupe-detector", *arguments], environment, self._directory)

    def watch(self, servers: Mapping[str, int]) -> None:
        """Count the processor time of these servers and of the detector's processes from now on."""
        self._processor = ProcessorTime({name: program.pid for name, program in self._programs.items()} | dict(servers))

    def share(self, shared: Shared) -> None:
        """What some of the customers that come from now on have in common."""
        self._shared = shared

    def end(self) -> None:
        """Kill the detector's processes."""
        self._reader.close()
        for program in self._programs.values():
            program.kill()

    def learned(self) -> None:
        """Wait until a model was fitted to the base: that happens once in a doubling, not in every run."""
        self._until(lambda connection: bool(one(connection, "SELECT count(*) FROM detector.models")))

    def detect(self, records: int) -> dict[str, float]:
        """Send new customers from a process of its own and wait until every candidate among them is readable.

        That is when the transactions they were published in are committed. They are read when the clock has stopped:
        what a reader waits for and costs is its own.
        """
        before, first = self._processor.seconds(), self._next
        self._next += records
        shared = json.dumps(asdict(self._shared))
        seconds = self.feed(records, "bench.load_customers", self.bootstrap, str(first), str(records), shared)
        after = self._processor.seconds()
        candidates = self._read()
        self._found += candidates
        with psycopg.connect(self.database, autocommit=True) as connection:
            if self._found != (told := one(connection, _TOLD)):
                raise AssertionError(f"{told} candidates were published, and {self._found} could be read")
        return {"candidates": float(candidates), **figures(records, seconds, before, after)}

    def feed(self, records: int, *load: str) -> float:
        """Run a load of so many records until all are handled and all that is told is published; its seconds."""
        self._sent += records
        with subprocess.Popen([sys.executable, "-m", *load], cwd=ROOT, stdout=subprocess.PIPE, text=True) as loader:
            sent_s = float(loader.stdout.readline()) if loader.stdout else 0.0
            self._until(lambda connection: one(connection, _HANDLED) >= self._sent and not one(connection, _WAITING))
            seconds = time.time() - sent_s
        if loader.returncode != 0:
            raise AssertionError("the load generator failed")
        return seconds

    def _until(self, done: Callable[[psycopg.Connection[Any]], bool]) -> None:
        until = time.monotonic() + _END_LIMIT_S
        with psycopg.connect(self.database, autocommit=True) as connection:
            while not done(connection):
                ended = [program.tail() for program in self._programs.values() if program.returncode is not None]
                if ended or time.monotonic() > until:
                    tails = ended or [program.tail() for program in self._programs.values()]
                    raise AssertionError("the detectors came to no end\n" + "\n".join(tails))
                time.sleep(_LOOK_EVERY_S)

    def _read(self) -> int:
        """Every candidate up to the end of its topic; how many."""
        ends = {
            partition.partition: self._reader.get_watermark_offsets(partition, timeout=30)[1]
            for partition in self._reader.assignment()
        }
        found = 0
        while any(self._position(partition) < end for partition, end in ends.items()):
            found += sum(1 for message in self._reader.consume(10_000, 0.05) if message.error() is None)
        return found

    def _position(self, partition: int) -> int:
        """Where the reader is; of a partition without anything in it that is below 0."""
        return max(0, self._reader.position([TopicPartition("merge-candidate", partition)])[0].offset)


def fill(database: str, customers: int) -> None:
    """Put customers 1 to `customers` into the index, as the service does, which stores no key it found too common."""
    engine, hot = create_engine(database), HotKeys()
    for first in range(1, customers + 1, _STORED_TOGETHER):
        versions = [
            Version(
                tenant_id=event.tenant_id,
                customer_id=event.customer_id,
                version=event.version,
                source=event.source,
                record=normalise(record_of(event)),
            )
            for event in map(customer, range(first, min(first + _STORED_TOGETHER, customers + 1)))
        ]
        keys = {key for version in versions if version.record for key in _keys(version.tenant_id, version.record)}
        with engine.begin() as connection:
            store(connection, versions, hot)
            PostgresIndex(connection, hot).postings(*map(list, zip(*sorted(keys), strict=True)))
    engine.dispose()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _keys(tenant_id: str, record: NormalisedRecord) -> Iterable[tuple[int, int]]:
    keys = keys_of(tenant_id, record)
    return zip(keys.codes, keys.caps, strict=True)


def splink_rates(customers: int) -> dict[str, float]:
    """Records a second that Splink finds the matches of, by how many come together."""
    with tempfile.TemporaryDirectory(prefix="customer-merge-bench-") as where:
        base, arrivals = Path(where, "base.csv"), Path(where, "arrivals.csv")
        write(base, range(1, customers + 1))
        write(arrivals, range(customers + 1, customers + 1 + ARRIVALS_FOR_SPLINK))
        return splink_venv.new_records(base, arrivals)


def figures(records: int, seconds: float, before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Rates, and core-µs a record: in all and by process."""
    used: dict[str, float] = {}
    for name, at_first in before.items():
        kind = f"{name.split('-')[0]}_us"
        used[kind] = used.get(kind, 0.0) + (after[name] - at_first) / records * 1e6
    return {"records_per_s": records / seconds, "core_us": sum(used.values()), **used}


def main() -> int:
    """Measure a base of another size."""
    parser = argparse.ArgumentParser(prog="python -m bench.detect", description=__doc__)
    parser.add_argument("customers", type=int, help="customers in the index before")
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    arguments = parser.parse_args()
    print(json.dumps(measure(quick=arguments.quick, customers=arguments.customers).as_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
