"""What the service tells of a customer file: through Kafka and PostgreSQL, by two detectors that learn as they go."""

import csv
from pathlib import Path
from typing import Final

import customer_events as wire
from bench import detect
from rig.invariants import CODEC
from rig.topics import read_topic

EMPTY: Final = detect.Size(customers=0, warm_up=0, records=0, runs=0, broker_warm_up_s=1.0)


def tell(records: Path, pairs: Path) -> dict[str, float]:
    """Writes the pairs that stand in the end, as `match` does; how many candidates were told and withdrawn."""
    with records.open(encoding="utf-8", newline="") as lines:
        count = sum(1 for _ in csv.DictReader(lines))
    with detect.bench(EMPTY) as parts:
        parts.feed(count, "bench.load_file", parts.bootstrap, str(records))
        told = [CODEC.decode(message.value() or b"") for message in read_topic(parts.bootstrap, "merge-candidate")]
    standing: dict[str, wire.MergeCandidateFound] = {}
    for event in told:
        if isinstance(event, wire.MergeCandidateFound):
            standing[event.candidate_id] = event
        elif isinstance(event, wire.MergeCandidateWithdrawn):
            standing.pop(event.candidate_id, None)
    with pairs.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("customer_id_a", "customer_id_b", "score", "grade"))
        for event in standing.values():
            writer.writerow((event.pair.a, event.pair.b, f"{event.score:.6f}", event.grade.value.lower()))
    return {"told": float(len(told)), "standing": float(len(standing))}
