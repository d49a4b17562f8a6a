"""Splink 4 in a virtual environment of its own, `.bench/splink`, made from requirements/bench-splink.txt.

Never in the project's own: nothing of it is needed to run or to test.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench import ROOT

LOCK: Final = ROOT / "requirements" / "bench-splink.txt"
PROGRAM: Final = ROOT / "bench" / "splink_reference.py"
_HOME: Final = ROOT / ".bench" / "splink"


def interpreter() -> Path:
    """The Python that has Splink; the first call, and the first after the lock has changed, installs it."""
    python = _HOME / "bin" / "python"
    stamp = _HOME / ".made-from"
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == lock):
        sys.stderr.write("installing Splink for the benchmark\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", _HOME], check=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, "--require-hashes", "-r", LOCK], check=True)
        stamp.write_text(lock)
    return python


def command(*arguments: str | Path) -> list[str]:
    """A run of splink_reference.py."""
    return [str(interpreter()), str(PROGRAM), *map(str, arguments)]


def new_records(
    base: Path, arrivals: Path, *, batches: Sequence[int] = (1, 100, 1_000), seconds: float = 10.0
) -> dict[str, float]:
    """`records_per_s_<batch>` of find_matches_to_new_records; learned from the base, which is not counted."""
    line = command("arrivals", base, arrivals, "--seconds", str(seconds), "--batches", *map(str, batches))
    # DuckDB puts what its memory does not hold, some gigabytes of it, beside where it was started
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryDirectory(prefix="customer-merge-bench-") as where:
        subprocess.run(line, check=True, stdout=told, cwd=where)
        told.seek(0)
        figures: dict[str, Any] = json.load(told)
    return {f"records_per_s_{size}": float(figures[f"records_per_s_{size}"]) for size in batches}
