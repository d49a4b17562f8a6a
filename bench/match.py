"""`match`: `dedupe-detector match` on a file, start of the process to its end, beside Splink 4 on the same file.

Splink trains and predicts over the whole file at once, with both cores; `match` meets it record by record. Both write
their pairs, and neither makes clusters. Accuracy of both is that of `dedupe-detector evaluate`. The sets are not part
of the repository: they are looked for where `bench.accuracy` does; `python -m bench.match --data DIR` looks elsewhere.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from bench import splink_venv
from bench.accuracy import DATA
from bench.figures import Figure, middle

GOAL = "faster than Splink's batch from end to end, ≤ 500 MB"
SETS = ("historical_50k", "ecommerce_20k")
RUNS = 3
_LOOK_S = 0.1  # a look at its memory costs a program a millisecond


def measure(*, quick: bool, data: Path = DATA) -> Figure:
    """Run the benchmark: each program in turn, so that a slow moment of the machine meets both."""
    splink_venv.interpreter()
    sets: dict[str, dict[str, float]] = {}
    runs: list[dict[str, float]] = []
    for name in SETS:
        found = [side_by_side(data / name, judged=not number) for number in range(1 if quick else RUNS)]
        sets[name] = {**found[0], **{key: round(middle(found, key), 3) for key in found[-1]}}
        runs += found
    first = sets[SETS[0]]
    return Figure(
        name="match",
        value=first["records"] / first["seconds"],
        unit="records/s",
        reference=first["records"] / first["splink_seconds"],
        ratio=first["splink_seconds"] / first["seconds"],
        goal=GOAL,
        runs=runs,
        details={"sets": sets},
    )


def side_by_side(directory: Path, *, judged: bool) -> dict[str, float]:
    """Seconds, peak memory and, if asked, best F1 of both over one set."""
    records, truth = directory / "records.csv", directory / "truth.csv"
    with tempfile.TemporaryDirectory() as where:
        ours, theirs = Path(where, "ours.csv"), Path(where, "splink.csv")
        script = str(Path(sys.executable).parent / "dedupe-detector")
        told = whole_process([script, "match", str(records), "--output", str(ours), "--json"])
        splink = whole_process(splink_venv.command("batch", records, "--output", theirs))
        out = {
            "records": told["records"],
            "seconds": told["seconds_in_all"],
            "peak_memory_mb": told["memory_mb"],
            "splink_seconds": splink["seconds_in_all"],
            "splink_peak_memory_mb": splink["memory_mb"],
            "ratio": splink["seconds_in_all"] / told["seconds_in_all"],
        }
        if judged:
            out |= {"best_f1": _best_f1(script, ours, truth), "splink_best_f1": _best_f1(script, theirs, truth)}
    return out


def whole_process(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a program printed, its seconds from start to end, and the most that its processes held together."""
    with tempfile.TemporaryFile("w+") as told:
        started = time.perf_counter()
        with subprocess.Popen(argv, stdout=told, stderr=subprocess.DEVNULL, env=environment) as process:
            peak = 0
            while process.poll() is None:
                peak = max(peak, _held(process.pid))
                time.sleep(_LOOK_S)
        seconds = time.perf_counter() - started
        if process.returncode != 0:
            raise AssertionError(f"{Path(argv[0]).name} failed with {process.returncode}")
        told.seek(0)
        out: dict[str, Any] = json.loads(told.read().splitlines()[-1])
    return {**out, "seconds_in_all": seconds, "memory_mb": peak / 2**20}


def _held(pid: int) -> int:
    """Proportional set size of a process and its children: what they share counts once."""
    held = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            held += process.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass
    return held


def _best_f1(script: str, pairs: Path, truth: Path) -> float:
    line = [script, "evaluate", str(pairs), "--truth", str(truth), "--json"]
    told = subprocess.run(line, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return float(json.loads(told)["best_f1"])


def main() -> int:
    """Measure with the sets of another directory."""
    parser = argparse.ArgumentParser(prog="python -m bench.match", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="directory of the sets: NAME/records.csv and truth.csv")
    parser.add_argument("--quick", action="store_true", help="one run instead of three")
    arguments = parser.parse_args()
    print(json.dumps(measure(quick=arguments.quick, data=arguments.data).as_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
