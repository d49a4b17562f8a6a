"""The last lines of a run, on standard output: for people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from customer_merge_demo.results.facts import Facts

_MEBIBYTE = 1 << 20


def as_json(facts: Facts, out: Path) -> str:
    """The figures of a run as one line of JSON."""
    return json.dumps(
        {
            "input": facts.input_name,
            "records": facts.records,
            "customers": facts.people,
            "merges": facts.merges,
            "waiting_for_a_person": facts.waiting,
            "candidates": dict(facts.candidates),
            "commands": facts.commands,
            "rejected": dict(facts.rejected),
            "precision": facts.accuracy.precision if facts.accuracy else None,
            "recall": facts.accuracy.recall if facts.accuracy else None,
            "checks": [
                {"title": check.title, "passed": check.passed, "detail": check.detail} for check in facts.checks
            ],
            "seconds": {phase: round(seconds, 2) for phase, seconds in facts.timing.items()},
            "peak_memory_mb": {name: round(size / _MEBIBYTE) for name, size in facts.memory.items()},
            "out": str(out.resolve()),
        },
        ensure_ascii=False,
    )


def as_text(facts: Facts, out: Path) -> str:
    """The same for a person to read."""
    return "\n".join(_lines(facts, out))


def _lines(facts: Facts, out: Path) -> Iterator[str]:
    yield (
        f"{facts.records:,} records are {facts.people:,} customers: {facts.merges:,} merges,"
        f" {facts.waiting:,} pairs wait for a person."
    )
    yield "The demonstration's approval policy trusts every source of its own input; the shipped policy trusts none."
    if facts.accuracy:
        yield (
            f"Of the merged pairs {facts.accuracy.precision:.2%} are right;"
            f" of all true pairs {facts.accuracy.recall:.2%} were merged without a person."
        )
    if facts.rejected:
        yield "Refused by a rule: " + ", ".join(f"{rule} {count:,}" for rule, count in facts.rejected.items())
    yield ""
    for check in facts.checks:
        yield f"{'✓' if check.passed else '✗ FAILED'} {check.title}"
        yield f"    {check.detail}"
    yield ""
    yield "Time:   " + ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in facts.timing.items())
    yield "Memory: " + ", ".join(f"{name} {size / _MEBIBYTE:.0f} MB" for name, size in facts.memory.items())
    yield f"Look at {(out / 'report.html').resolve()}"
    yield f"Who became whom: {(out / 'identity.csv').resolve()}"
