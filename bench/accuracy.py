"""Accuracy of `match` on labelled sets: `python -m bench.accuracy [SET …] [--orders N]` prints a table.

Nothing is learned from any set's labels: the shipped model, and what the stream itself teaches it. Each order is a run
of its own process; order 0 is the file's, the others are shuffled with their number as seed.
"""

import argparse
import csv
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.service_accuracy import tell

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS: Final = (
    "household_shop", "rare_duplicates", "ecommerce_20k", "fake_1000", "historical_50k", "truthset_customers",
    "febrl3", "febrl4",
)  # fmt: skip
LINKED: Final = frozenset({"febrl4"})  # a linkage of two sources: pairs within one are left out
COLUMNS: Final = {
    "best_f1": "F1", "probable_f1": "F1 shipped", "r_at_p99": "R at .99", "certain_precision": "certain P",
    "certain_recall": "certain R", "cluster_f1": "clusters", "ece": "ECE", "records_per_second": "records/s",
    "peak_memory_mb": "MB",
}  # fmt: skip
WHOLE: Final = frozenset({"records_per_second", "peak_memory_mb"})


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"which (default: all): {', '.join(SETS)}")
    parser.add_argument("--data", type=Path, default=DATA, help="directory of the sets: NAME/records.csv and truth.csv")
    parser.add_argument("--orders", type=int, nargs="+", default=[0], metavar="N", help="record orders (default: 0)")
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="COLUMN", help="leave columns out: another kind of data"
    )
    parser.add_argument("--service", action="store_true", help="what the service tells, through Kafka and PostgreSQL")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    arguments = parser.parse_args()
    print("| set | " + " | ".join(COLUMNS.values()) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    everything: dict[str, list[dict[str, float]]] = {}
    for name in arguments.sets or SETS:
        runs = everything[name] = [
            measure(arguments.data / name, order, frozenset(arguments.without), service=arguments.service)
            for order in arguments.orders
        ]
        cells = [_cell([run.get(key, math.nan) for run in runs], 0 if key in WHOLE else 3) for key in COLUMNS]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1) + "\n")
    return 0


def measure(directory: Path, order: int, without: frozenset[str], *, service: bool = False) -> dict[str, float]:
    """All figures of one run over one set, or over its other columns."""
    with tempfile.TemporaryDirectory() as where:
        records, pairs, clusters = directory / "records.csv", Path(where, "pairs.csv"), Path(where, "clusters.csv")
        if order or without:
            records = _changed(records, Path(where, "records.csv"), order, without)
        link = directory.name in LINKED
        truth = directory / "truth.csv"
        linked = ["--link-sources"] if link else []
        if service:
            return tell(records, pairs) | _run("evaluate", pairs, "--truth", truth)
        matched = _run("match", records, "--output", pairs, "--clusters", clusters, *linked)
        counted: list[str | Path] = ["--link", records] if link else []
        judged = _run("evaluate", pairs, "--truth", truth, "--clusters", clusters, *counted)
        return matched | judged


def _run(command: str, *arguments: str | Path) -> dict[str, float]:
    """In a process of its own: this one stays small, so that its memory is not counted as the command's."""
    line = [sys.executable, "-m", "dedupe_detector", command, *map(str, arguments), "--json"]
    told = subprocess.run(line, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    figures: dict[str, float] = json.loads(told)
    return figures


def _changed(source: Path, target: Path, seed: int, without: frozenset[str]) -> Path:
    """The set in another order (0: its own) and without some columns."""
    with source.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if seed:
        random.Random(seed).shuffle(rows)  # noqa: S311 - an order, the same at each run
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, [name for name in rows[0] if name not in without], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return target


def _cell(values: list[float], digits: int) -> str:
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f}-{max(values):.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
