"""What each part of the model adds: `python -m bench.ablation [SET …]` prints a table, one part left out at a time.

Each cell: best F1 / recall at precision .99 / precision, recall of certain / calibration error, in the file's order.
Nothing of this is a setting of the product: a part is taken out of the running program.
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from bench.accuracy import DATA
from customer_identity.customer_csv import CustomerCsv
from customer_identity.evaluation import FoundPair, figures, judge
from customer_identity.matching import context, learning, stream
from customer_identity.matching.cautions import Cautions
from customer_identity.matching.model import Model
from customer_identity.matching.scoring import Scorer
from customer_identity.matching.stream import Stream
from dedupe_detector.adapters.files import read_entities, reading, shipped_model

SETS: Final = ("household_shop", "rare_duplicates", "ecommerce_20k", "fake_1000", "historical_50k")
_MOST_RECORDS: Final = 25_000  # of a set: each is matched once a part
_BATCH: Final = 100  # as `match`
_TENANT: Final = "ablation"
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "kinds of non-match: chance alone": ("chance",),
    "kinds of non-match: chance and relatives": ("chance", "relatives"),
}
_LIMITS: Final[Mapping[str, tuple[str, ...]]] = {
    "all limits": ("contested", "other_given_name", "name_only", "suffix_conflict"),
    "limit: contested identifiers": ("contested",),
    "limit: another given name": ("other_given_name",),
    "limit: name only": ("name_only",),
    "limit: suffix conflict": ("suffix_conflict",),
}
_LIMITED: Final = Cautions.limited
_LOG_FREQUENCY: Final = Scorer.log_frequency


def _without_limits(names: Sequence[str]) -> Any:
    def limited(self: Cautions, logit: Any, levels: Any) -> Any:
        none = np.zeros(len(logit), bool)
        return _LIMITED(replace(self, **dict.fromkeys(names, none)), logit, levels)

    return limited


def _own_scores(_lefts: Any, _rights: Any, own: Any, _clusters: Any) -> context.InContext:
    return context.InContext(own.copy(), [])


def _of_no_rarity(self: Scorer, holders: Any, filled: Any) -> Any:
    return np.full_like(_LOG_FREQUENCY(self, holders, filled), np.nan)


def _parts() -> dict[str, list[AbstractContextManager[Any]]]:
    return {
        "nothing": [],
        "the fits: shipped numbers for all": [patch.object(learning.Learner, "due", lambda _: False)],
        "context": [patch.object(stream, "in_context", _own_scores)],
        "context: rivals": [patch.object(context, "_RIVAL_SHARE", 0.0)],
        "context: best three (best alone)": [patch.object(context, "_BEST_MEMBERS", 1)],
        **{part: [] for part in _KINDS},
        "rarity of values": [patch.object(Scorer, "log_frequency", _of_no_rarity)],
        **{part: [patch.object(Cautions, "limited", _without_limits(names))] for part, names in _LIMITS.items()},
    }


def measure(part: str, directory: Path) -> str:
    """One cell: a set matched without a part of the model."""
    with ExitStack() as stack:
        for taken_out in _parts()[part]:
            stack.enter_context(taken_out)
        customers = islice(
            CustomerCsv(stack.enter_context(reading(directory / "records.csv")), tenant_id=_TENANT), _MOST_RECORDS
        )
        matching = Stream(_model(part), tenant_id=_TENANT)
        found: list[FoundPair] = []
        known: set[str] = set()
        while batch := list(islice(customers, _BATCH)):
            known.update(customer.customer_id for customer in batch)
            found += [FoundPair(a=p.a, b=p.b, score=p.score, grade=p.grade.label) for p in matching.match(batch)]
    truth = {one: entity for one, entity in read_entities(directory / "truth.csv").items() if one in known}
    told = figures(judge(found, truth))
    return (
        f"{told['best_f1']:.3f} / {told['r_at_p99']:.2f} /"
        f" {told['certain_precision']:.3f}, {told['certain_recall']:.2f} / {told['ece']:.3f}"
    )


def _model(part: str) -> Model:
    model = shipped_model()
    kinds = _KINDS.get(part)
    if kinds is None:
        return model
    return replace(model, explanations=tuple(one for one in model.explanations if one.name in kinds))


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.ablation", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"which (default: {', '.join(SETS)})")
    parser.add_argument("--data", type=Path, default=DATA, help="directory of the sets: NAME/records.csv and truth.csv")
    arguments = parser.parse_args()
    sets = arguments.sets or SETS
    print("| left out | " + " | ".join(sets) + " |")
    print("|---" * (len(sets) + 1) + "|")
    # a process for each cell: what one of them has learned or cached is nothing to the next
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        rows = {
            part: pool.starmap_async(measure, [(part, arguments.data / name) for name in sets], 1) for part in _parts()
        }
        for part, cells in rows.items():
            print(f"| {part} | " + " | ".join(cells.get()) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
