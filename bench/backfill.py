"""`backfill`: a whole base from a file into an empty index, every pair in it told, beside `match` on the same file.

Both from the start of the process to its end, in turn, so that a slow moment of the machine meets both. The database is
new and has the server to itself; `python -m bench.backfill CUSTOMERS` measures another size.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from bench.customers import write
from bench.figures import Figure, ProcessorTime, middle
from bench.match import whole_process
from bench.servers import DETECTOR_SCHEMAS, database_of, database_server

GOAL = "≥ 3,000 records/s on 2 cores"
CUSTOMERS, QUICK = 100_000, 20_000
RUNS = 3
_SCRIPT = str(Path(sys.executable).parent / "dedupe-detector")


def measure(*, quick: bool, customers: int = 0) -> Figure:
    """Run the benchmark."""
    count = customers or (QUICK if quick else CUSTOMERS)
    with tempfile.TemporaryDirectory(prefix="customer-merge-bench-") as where:
        base = Path(where, "customers.csv")
        write(base, range(1, count + 1))
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
    with database_server(DETECTOR_SCHEMAS) as server:
        processor = ProcessorTime({"postgres": server.guard_pid})
        before = processor.seconds()["postgres"]
        used = os.times()
        environment = {**os.environ, "DEDUPE_DETECTOR_DATABASE__URL": database_of(server)}
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
