"""`backfill`: a whole base from a file into an empty index, every pair in it told, beside `match` on the same file.

Both from the start of the process to its end, in turn, so that a slow moment of the machine meets both. The database is
new and has the server to itself; `python -m bench.backfill CUSTOMERS` measures another size.
"""

import argparse
import csv
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.customers import customer
from bench.figures import Figure, ProcessorTime, middle
from bench.match import whole_process
from bench.servers import DETECTOR_SCHEMAS, POSTGRES
from customer_identity.customer_csv import INPUT_COLUMNS
from event_runtime.embedded import EmbeddedPostgres
from event_runtime.migrate import upgrade

GOAL = "≥ 3,000 records/s on 2 cores"
CUSTOMERS, QUICK = 100_000, 20_000
RUNS = 3
_SCRIPT = str(Path(sys.executable).parent / "dedupe-detector")


def measure(*, quick: bool, customers: int = 0) -> Figure:
    """Run the benchmark."""
    count = customers or (QUICK if quick else CUSTOMERS)
    with tempfile.TemporaryDirectory(prefix="customer-merge-bench-") as where:
        base = Path(where, "customers.csv")
        write(base, count)
        runs = [side_by_side(base) for _ in range(1 if quick else RUNS)]
    return Figure(
        name="backfill",
        value=middle(runs, "records_per_s"),
        unit="records/s",
        reference=middle(runs, "match_records_per_s"),
        ratio=middle(runs, "ratio"),
        goal=GOAL,
        runs=runs,
        details={"customers": count},
    )


def side_by_side(base: Path) -> dict[str, float]:
    """Rates of both over one file, and the processor time and memory of the backfill."""
    matched = whole_process([_SCRIPT, "match", str(base), "--output", str(base.with_suffix(".pairs.csv")), "--json"])
    with database() as (url, server):
        processor = ProcessorTime({"postgres": server})
        before = processor.seconds()["postgres"]
        used = os.times()
        environment = {**os.environ, "DEDUPE_DETECTOR_DATABASE__URL": url}
        told = whole_process([_SCRIPT, "backfill", str(base), "--json"], environment)
        after = os.times()
        postgres = processor.seconds()["postgres"] - before
    records = told["records"]
    ours = after.children_user + after.children_system - used.children_user - used.children_system
    return {
        "records_per_s": records / told["seconds_in_all"],
        "match_records_per_s": records / matched["seconds_in_all"],
        "ratio": matched["seconds_in_all"] / told["seconds_in_all"],
        "told": told["candidates_told"],
        "core_us": (ours + postgres) / records * 1e6,
        "detector_us": ours / records * 1e6,
        "postgres_us": postgres / records * 1e6,
        "memory_mb": told["memory_mb"],
    }


@contextmanager
def database() -> Iterator[tuple[str, int]]:
    """The URL of an empty index on a server of its own, and the server's process id."""
    with EmbeddedPostgres(settings=POSTGRES) as server:
        url = re.sub(r"/postgres$", "/bench", server.url)
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute("CREATE DATABASE bench")
        for package, schema in DETECTOR_SCHEMAS.items():
            upgrade(url, package=package, schema=schema)
        yield url, server.guard_pid


def write(path: Path, customers: int) -> None:
    """Customers 1 to `customers` as a file with versions."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, [*INPUT_COLUMNS, "version"], restval="", extrasaction="ignore")
        writer.writeheader()
        for event in map(customer, range(1, customers + 1)):
            values = event.attributes.model_dump(exclude_none=True)
            writer.writerow({"customer_id": event.customer_id, "version": event.version, **values})


def main() -> int:
    """Measure a base of another size."""
    parser = argparse.ArgumentParser(prog="python -m bench.backfill", description=__doc__)
    parser.add_argument("customers", type=int, nargs="?", default=0, help="customers in the file")
    parser.add_argument("--quick", action="store_true", help="a small file, and one run")
    arguments = parser.parse_args()
    print(json.dumps(measure(quick=arguments.quick, customers=arguments.customers).as_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
