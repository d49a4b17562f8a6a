"""The curves of an evaluation as one picture (matplotlib, the extra `plots`: import this only to draw)."""

import math
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from customer_identity.evaluation import Judged, ScoreBin, precision_recall, reliability
from event_runtime.files import writing_bytes

_INCHES: Final = (17.0, 5.2)
_DOTS_PER_INCH: Final = 110
_BINS: Final = 20
_HOLLOW: Final[dict[str, Any]] = {"fillstyle": "none", "markeredgewidth": 2, "linestyle": "none"}
_BLUE, _ORANGE, _GREY = "#1f5fa8", "#c2571a", "#5a6673"  # told apart by shape and label, too


def draw(judged: Judged, figures: dict[str, float], path: Path) -> None:
    """Precision and recall, reliability, and the scores of right and wrong pairs, as a PNG.

    Raises FileProblem when it cannot be written; then nothing is.
    """
    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    precision_and_recall, calibration, scores = figure.subplots(1, 3)
    _precision_recall(precision_and_recall, judged, figures)
    _reliability(calibration, judged, figures)
    _scores(scores, judged)
    for axes in (precision_and_recall, calibration, scores):
        axes.grid(visible=True, color="#dde2e8", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    with writing_bytes(path) as out:
        figure.savefig(out, format="png")


def _precision_recall(axes: Axes, judged: Judged, figures: dict[str, float]) -> None:
    curve = precision_recall(judged)
    axes.plot([at.recall for at in curve], [at.precision or 0.0 for at in curve], color=_BLUE, linewidth=2)
    axes.plot(
        [figures["best_r"]], [figures["best_p"]], "o", color=_BLUE, markersize=15, **_HOLLOW,
        label=f"best F1 {figures['best_f1']:.3f}, from score {figures['best_threshold']:.2f}",
    )  # fmt: skip
    for grade, marker in (("certain", "^"), ("probable", "s")):
        recall, precision = figures[f"{grade}_recall"], figures[f"{grade}_precision"]
        if not recall and not precision:
            continue  # no pair has this grade
        name = grade if grade == "certain" else "certain and probable"
        axes.plot([recall], [precision], marker, color=_ORANGE, markersize=10, **_HOLLOW,
                  label=f"{name}: precision {precision:.3f}, recall {recall:.3f}")  # fmt: skip
    axes.set(title=f"Precision and recall of {figures['true_pairs']:,} true pairs", xlabel="recall", ylabel="precision")
    lowest = min((at.precision for at in curve if at.precision is not None), default=0.0)
    axes.set(xlim=(0, 1.02), ylim=(max(0.0, lowest - 0.1), 1.02))
    axes.legend(loc="lower left", frameon=False)


def _reliability(axes: Axes, judged: Judged, figures: dict[str, float]) -> None:
    bins = reliability(judged)
    axes.plot([0, 1], [0, 1], "--", color=_GREY, linewidth=1.5, label="as promised")
    spread = [_likely(one) for one in bins]
    axes.errorbar(
        [one.mean_score for one in bins], [one.right_share for one in bins],
        yerr=[[one.right_share - low for one, (low, _) in zip(bins, spread, strict=True)],
              [high - one.right_share for one, (_, high) in zip(bins, spread, strict=True)]],
        fmt="o-", color=_BLUE, linewidth=2, elinewidth=1, capsize=3,
        label="as found: number of pairs, 95 % of chance",
    )  # fmt: skip
    for one in bins:
        axes.annotate(f"{one.pairs:,}", (one.mean_score, one.right_share), xytext=(7, -13),
                      textcoords="offset points", color=_GREY, fontsize=9, annotation_clip=False)  # fmt: skip
    axes.set(title=f"Reliability: calibration error {figures['ece']:.3f}", xlabel="score", ylabel="share that is right")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend(loc="upper left", frameon=False)


def _likely(one: ScoreBin) -> tuple[float, float]:
    """Where the true share lies in 95 of 100 samples of so many pairs (Wilson 1927)."""
    n, p, z = one.pairs, one.right_share, 1.96
    middle, reach = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - reach) / (1 + z * z / n), (middle + reach) / (1 + z * z / n)


def _scores(axes: Axes, judged: Judged) -> None:
    right = [pair.score for pair in judged.pairs if pair.right]
    wrong = [pair.score for pair in judged.pairs if not pair.right]
    edges = [number / _BINS for number in range(_BINS + 1)]
    axes.hist(right, edges, color=_BLUE, alpha=0.85, label=f"one person: {len(right):,} pairs")
    axes.hist(wrong, edges, histtype="step", color=_ORANGE, linewidth=2, hatch="///",
              label=f"two people: {len(wrong):,} pairs")  # fmt: skip
    missed = judged.true_pairs - len(right)
    axes.set(
        title=f"Scores of the pairs found ({missed:,} true ones were not)", xlabel="score", ylabel="pairs", xlim=(0, 1)
    )
    if judged.pairs:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)  # one pair is to be seen
        axes.legend(loc="upper left", frameon=False)
