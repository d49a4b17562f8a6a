"""`growth`: `merge` and `detect` on bases of 10 thousand, 100 thousand and a million customers.

Every base gets servers of its own, warmed up alike. What counts is how much of its speed each lost at ten times the
size, at worst. `python -m bench.growth CUSTOMERS …` measures other sizes.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from math import log10
from statistics import median

from confluent_kafka import Consumer

from bench import ROOT, detect, merge
from bench.figures import Figure
from bench.replay import read

GOAL = "≤ 20 % lost a decade"
FULL = (10_000, 100_000, 1_000_000)
QUICK = (10_000, 100_000)
MERGES, DETECTED, WARM_UP = 4_000, 10_000, 1_000
RUNS = 3  # of a base that has customers enough: merges use them up


def measure(*, quick: bool, sizes: Sequence[int] = ()) -> Figure:
    """Run the benchmark."""
    runs = [at(customers, quick=quick) for customers in sizes or (QUICK if quick else FULL)]
    losses = [lost(fewer, more) for fewer, more in pairwise(runs)]
    worst = max((loss for of_step in losses for loss in of_step.values()), default=0.0)
    return Figure(
        name="growth",
        value=100 * worst,
        unit="% lost",
        reference=runs[0]["merges_per_s"],
        ratio=1 - worst,
        goal=GOAL,
        runs=runs,
        details={"lost_a_decade": [{key: round(loss, 3) for key, loss in of_step.items()} for of_step in losses]},
    )


def at(customers: int, *, quick: bool) -> dict[str, float]:
    """Merges and records a second on a base of so many customers."""
    return {
        "customers": customers,
        "merges_per_s": merges_per_s(customers, quick=quick),
        "records_per_s": records_per_s(customers, quick=quick),
    }


def merges_per_s(customers: int, *, quick: bool) -> float:
    """The median of runs: as many as the base has pairs for, three at most."""
    runs = max(1, min(1 if quick else RUNS, (customers // 2 - WARM_UP) // MERGES))
    size = merge.Size(
        customers=customers,
        warm_up=WARM_UP,
        merges=MERGES,
        runs=runs,
        broker_warm_up_s=10.0 if quick else 40.0,
        ceiling=False,
    )
    with merge.bench(size) as parts:
        reader = merge.committed_reader(parts.bootstrap)
        done(parts, reader, size.warm_up)
        return median(done(parts, reader, size.merges) for _ in range(size.runs))


def records_per_s(customers: int, *, quick: bool) -> float:
    """The median of runs; the detectors have learned from the base before."""
    size = detect.Size(
        customers=customers,
        warm_up=WARM_UP,
        records=DETECTED,
        runs=1 if quick else RUNS,
        broker_warm_up_s=10.0 if quick else 40.0,
    )
    with detect.bench(size) as parts:
        return median(parts.detect(size.records)["records_per_s"] for _ in range(size.runs))


def done(parts: merge.Parts, reader: Consumer, merges: int) -> float:
    """Merges a second from the first that is readable to the last: a small base has few, so no start may be counted."""
    load = ["bench.load_commands", parts.bootstrap, str(parts.take_pairs(merges)), str(merges)]
    with subprocess.Popen([sys.executable, "-m", *load], cwd=ROOT):
        return read(reader, merges)


def lost(fewer: dict[str, float], more: dict[str, float]) -> dict[str, float]:
    """The share of its speed that each lost at ten times the size."""
    decades = log10(more["customers"] / fewer["customers"])
    return {key: 1 - (more[key] / fewer[key]) ** (1 / decades) for key in ("merges_per_s", "records_per_s")}


def main() -> int:
    """Measure bases of the sizes that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("customers", nargs="+", type=int, metavar="CUSTOMERS", help="sizes, the smallest first")
    parser.add_argument("--quick", action="store_true", help="fewer runs of each")
    arguments = parser.parse_args()
    print(json.dumps(measure(quick=arguments.quick, sizes=arguments.customers).as_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
