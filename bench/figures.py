"""What a benchmark reports, and the processor time of processes."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import Any

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured value beside its reference; `ratio` is the median over runs, each beside its own reference."""

    name: str
    value: float
    unit: str
    reference: float
    ratio: float
    goal: str
    runs: Sequence[Mapping[str, float]]
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object that is printed and kept."""
        return {
            "name": self.name,
            "value": round(self.value, 1),
            "unit": self.unit,
            "reference": round(self.reference, 1),
            "ratio": round(self.ratio, 3),
            "goal": self.goal,
            "runs": [{key: round(number, 3) for key, number in run.items()} for run in self.runs],
            "machine": machine(),
            **self.details,
        }


def middle(runs: Sequence[Mapping[str, float]], key: str) -> float:
    """The median of one figure over the runs."""
    return median(run[key] for run in runs)


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
    }


def table(figures: Iterable[Figure]) -> str:
    """A line a figure, for people."""
    lines = [f"{'benchmark':<14} {'value':>10} {'unit':<10} {'reference':>10} {'ratio':>6}  goal"]
    lines += [
        f"{one.name:<14} {one.value:>10.1f} {one.unit:<10} {one.reference:>10.1f} {one.ratio:>6.2f}  {one.goal}"
        for one in figures
    ]
    return "\n".join(lines)


class ProcessorTime:
    """Processor seconds, user and system, of process trees: all their threads, children and ended children."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        """`roots` names the process ids to watch."""
        self._roots = roots

    def seconds(self) -> dict[str, float]:
        """The seconds so far, by name."""
        return {name: sum(map(_own, self._tree(pid))) for name, pid in self._roots.items()}

    def runs(self, name: str, word: str) -> bool:
        """Whether a process in this tree has the word in its command line."""
        return any(word in " ".join(_command_line(process)) for process in self._tree(self._roots[name]))

    @staticmethod
    def _tree(pid: int) -> list[psutil.Process]:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _own(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # it ended between the listing and the reading; its parent has counted it
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
