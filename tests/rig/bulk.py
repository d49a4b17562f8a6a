"""Bulk work of the detector on a database of its own, in this process or in one that can be killed."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import customer_events as wire
from rig.bare_detector import Detector
from rig.detector_world import TENANT, person
from rig.invariants import CODEC


class Bulk(Detector):
    """A detector with the environment of its commands."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.env = {
            "DEDUPE_DETECTOR_DATABASE__URL": url,
            "DEDUPE_DETECTOR_TENANT": TENANT,
            "DEDUPE_DETECTOR_LEARN": "false",  # a fit draws its sample at random
        }

    def standing(self) -> list[Any]:
        """Every pair row as far as it does not tell of time."""
        return self.sql("SELECT a, b, state, revision, grade, score, evidence FROM detector.pairs ORDER BY a, b")

    def grades(self) -> list[Any]:
        """Every pair as far as it does not tell of how many records were there when it was scored."""
        return self.sql("SELECT a, b, state, grade FROM detector.pairs ORDER BY a, b")

    def in_outbox(self) -> list[tuple[str, str]]:
        """The pairs told of, in the order of the outbox."""
        rows = self.sql("SELECT body FROM detector.outbox ORDER BY stream, position")
        events = [CODEC.decode(row.body) for row in rows]
        return [(e.pair.a, e.pair.b) for e in events if isinstance(e, wire.MergeCandidateFound)]

    def index(self) -> list[Any]:
        """What is held of each customer."""
        return self.sql("SELECT customer_id, version, comparable, erased FROM detector.records ORDER BY customer_id")

    def whole_index(self) -> list[Any]:
        """All that a look-up asks, but for the numbers of records, which tell of the order in which they came."""
        keys = "SELECT code, customer_id FROM detector.postings JOIN detector.records USING (number) ORDER BY 1, 2"
        return [self.index(), self.sql(keys), self.sql("SELECT code, held FROM detector.counters ORDER BY code")]


def people(count: int, *, version: int = 1) -> list[dict[str, Any]]:
    """Each person twice, `A…` in the first half of a base and `B…` in the second."""
    return [
        {"customer_id": f"{side}{number:04d}", "version": version, **person(number)}
        for side in "AB"
        for number in range(count)
    ]


def write_base(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A customer file."""
    rows = list(rows)
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
