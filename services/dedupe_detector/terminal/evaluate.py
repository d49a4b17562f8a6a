"""`dedupe-detector evaluate`: figures of found pairs, and their curves."""

import sys
from collections.abc import Callable
from pathlib import Path

from customer_identity.evaluation import Judged, by_threshold
from dedupe_detector.application.evaluate_pairs import evaluate_pairs
from event_runtime.faults import Fault
from event_runtime.output import plain, say, show_json_lines, show_table


class NoPlots(Fault):
    """--plot needs the library matplotlib, which is not installed: try `pip install matplotlib`."""


def evaluate(
    pairs: Path, truth: Path, *, records: Path | None, clusters: Path | None, plot: Path | None, as_json: bool
) -> None:
    """Print the figures, one a line, then those at each threshold; with `plot`, draw the curves there."""
    draw = _drawing() if plot is not None else None  # before the work, so that a missing library is known at once
    evaluated = evaluate_pairs(pairs, truth, records=records, clusters=clusters)
    at = by_threshold(evaluated.judged)
    if plot is not None and draw is not None:
        draw(evaluated.judged, evaluated.figures, plot)
        say(f"drawn in {plot}")
    if as_json:
        show_json_lines([evaluated.figures | {"by_threshold": plain(at)}])
        return
    for name, value in evaluated.figures.items():
        sys.stdout.write(f"{name:<20} {value}\n")
    show_table(
        "By threshold",
        ("score from", "pairs", "precision", "recall", "F1"),
        [(row.threshold, row.pairs, row.precision, row.recall, row.f1) for row in at],
    )


def _drawing() -> Callable[[Judged, dict[str, float], Path], None]:
    try:
        from dedupe_detector.adapters.plots import draw  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise NoPlots from error
    return draw
