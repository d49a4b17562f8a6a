"""`skew`: the speed of `detect` when a fifth of the records share one phone number, or one surname, beside no skew.

All three in one run on one base. What a value that thousands share must not do: slow the detectors down, bring up pairs
by the million, or have anything approved without a person.
"""

from collections.abc import Iterable
from typing import Final

import customer_events as wire
from bench import detect
from bench.customers import NOTHING_SHARED, Shared, person_of
from bench.figures import Figure, middle
from rig.invariants import CODEC
from rig.topics import read_topic

GOAL: Final = "≥ 0.7 of the speed without skew, and no automatic approval from what is shared"
SHARE: Final = 0.2
SKEWS: Final = {
    "none": NOTHING_SHARED,
    "phone": Shared(share=SHARE, phone="212-867-5309"),
    "surname": Shared(share=SHARE, family_name="Grandville"),
}
ROUNDS: Final = 3


def measure(*, quick: bool) -> Figure:
    """Run the benchmark."""
    size = detect.QUICK if quick else detect.FULL
    runs: list[dict[str, float]] = []
    with detect.bench(size) as parts:
        for _ in range(1 if quick else ROUNDS):
            run: dict[str, float] = {}
            for name, shared in SKEWS.items():
                parts.share(shared)
                found = parts.detect(size.records)
                run |= {f"{name}_records_per_s": found["records_per_s"], f"{name}_candidates": found["candidates"]}
            skewed = min(run["phone_records_per_s"], run["surname_records_per_s"])
            runs.append({**run, "ratio": skewed / run["none_records_per_s"]})
        told = [CODEC.decode(message.value() or b"") for message in read_topic(parts.bootstrap, "merge-candidate")]
    wrong = automatic_of_two_people(event for event in told if isinstance(event, wire.MergeCandidateFound))
    return Figure(
        name="skew",
        value=min(middle(runs, "phone_records_per_s"), middle(runs, "surname_records_per_s")),
        unit="records/s",
        reference=middle(runs, "none_records_per_s"),
        ratio=middle(runs, "ratio"),
        goal=GOAL,
        runs=runs,
        details={"customers": size.customers, "share": SHARE, "safe_to_automate_of_two_people": wrong},
    )


def automatic_of_two_people(told: Iterable[wire.MergeCandidateFound]) -> int:
    """Candidates that a policy may approve by itself although their records are about two people."""
    return sum(
        event.safe_to_automate and len({person_of(int(m.customer_id[1:])) for m in event.members}) > 1 for event in told
    )
