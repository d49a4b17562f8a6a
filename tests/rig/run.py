"""`make test`: every check that must be green to land, one after another, with a table at the end.

A failing step does not stop the later ones: one run tells everything that is wrong. The exit status is 1
if any step failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 20 * 60
"""What a landing may take on two cores; the whole says how much of it was used."""

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One check: its name in the table and the command that makes it."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a step."""

    step: Step
    passed: bool
    seconds: float


def steps(pytest_arguments: list[str]) -> list[Step]:
    """The checks in the order in which they are cheapest to fail."""
    workers = str(min(4, (os.cpu_count() or 1) + 1))  # one waits for a server or a process while the others compute
    return [
        Step(name="format", argv=(str(BIN / "ruff"), "format", "--check", "--quiet", ".")),
        Step(name="lint", argv=(str(BIN / "ruff"), "check", "--quiet", ".")),
        Step(name="types", argv=(str(BIN / "mypy"),)),
        Step(name="import contracts", argv=(str(BIN / "lint-imports"),)),
        Step(
            name="tests",
            argv=(
                sys.executable,
                "-m",
                "pytest",
                "-n",
                workers,
                "--dist",
                "loadgroup",
                "-q",
                "-m",
                "not chaos and not spark",
                "--durations=15",
                *pytest_arguments,
            ),
        ),
    ]


def run(step: Step) -> Outcome:
    """Run one step with its output passed through."""
    print(f"\n── {step.name} ──", flush=True)
    started = time.monotonic()
    code = subprocess.run(step.argv, cwd=ROOT, check=False).returncode
    return Outcome(step=step, passed=code == 0, seconds=time.monotonic() - started)


def main(pytest_arguments: list[str]) -> int:
    """Run every step; the exit status of the whole."""
    outcomes = [run(step) for step in steps(pytest_arguments)]
    print("\n── what ran ──")
    for outcome in outcomes:
        verdict = "passed" if outcome.passed else "FAILED"
        print(f"  {outcome.step.name:<18} {verdict}  {outcome.seconds:6.1f} s")
    whole = sum(outcome.seconds for outcome in outcomes)
    print(f"  {'all of it':<18} {'':<6}  {whole:6.1f} s of {LIMIT_S} s")
    print(
        "  not run here: the long fault run (make chaos), Splink on Spark (make spark); what else was not run, and "
        "why, stands under 'short test summary info' above"
    )
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
