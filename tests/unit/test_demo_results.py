"""What a run says about itself: the identity map, its fit with the truth, streams, files and pictures."""

import csv
import hashlib
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_events import CandidatePair, CustomerMerged, Evidence, Grade, Member, MergeCandidateFound, RowsMoved
from customer_merge_demo.results.facts import Sample
from customer_merge_demo.results.files import write_identities, write_pairs
from customer_merge_demo.results.identities import accuracy, members, replayed, sizes, whole_map
from customer_merge_demo.results.pictures import flow, timeline
from customer_merge_demo.results.streams import StreamWitness
from customer_merge_demo.results.words import detail, reason

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_input_id_has_a_canonical_id_its_own_unless_it_was_redirected() -> None:
    assert whole_map(["a", "b", "c"], {"b": "a"}) == {"a": "a", "b": "a", "c": "c"}


def test_members_and_sizes_of_identities() -> None:
    canonical = {"a": "a", "b": "a", "c": "c", "d": "a"}
    assert members(canonical) == {"a": ["a", "b", "d"], "c": ["c"]}
    assert sizes(canonical) == {1: 1, 3: 1}


def test_accuracy_counts_pairs_not_records() -> None:
    canonical = {"a": "a", "b": "a", "c": "a", "d": "d", "e": "e"}
    truth = {"a": "P1", "b": "P1", "c": "P2", "d": "P3", "e": "P3"}
    found = accuracy(canonical, truth)
    assert (found.merged_pairs, found.correct_pairs, found.true_pairs) == (3, 1, 2)
    assert found.precision == pytest.approx(1 / 3)
    assert found.recall == pytest.approx(1 / 2)


def test_nothing_merged_is_precise_and_nothing_to_merge_is_complete() -> None:
    found = accuracy({"a": "a", "b": "b"}, {"a": "P1", "b": "P2"})
    assert (found.precision, found.recall) == (1.0, 1.0)


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 5)), st.dictionaries(st.integers(0, 30), st.integers(0, 5)))
def test_accuracy_agrees_with_comparing_every_pair(identity: dict[int, int], truth: dict[int, int]) -> None:
    canonical = {str(key): str(value) for key, value in identity.items()}
    entities = {str(key): str(value) for key, value in truth.items()}
    found = accuracy(canonical, entities)
    known = sorted(canonical.keys() & entities.keys())
    pairs = [(a, b) for i, a in enumerate(known) for b in known[i + 1 :]]
    merged = {pair for pair in pairs if canonical[pair[0]] == canonical[pair[1]]}
    true = {pair for pair in pairs if entities[pair[0]] == entities[pair[1]]}
    assert (found.merged_pairs, found.correct_pairs, found.true_pairs) == (len(merged), len(merged & true), len(true))


def test_replaying_announcements_keeps_the_newest_version_whatever_their_order() -> None:
    announced = [("a", "b", 1), ("a", "c", 2), ("b", "c", 1)]
    assert replayed(announced) == replayed(announced[::-1]) == {"a": "c", "b": "c"}


def test_an_id_that_was_taken_apart_again_is_no_redirect() -> None:
    assert replayed([("a", "b", 1), ("a", "a", 2)]) == {}


class Tags(HTMLParser):
    """The tags of a piece of markup; `open` are those that were never closed, or closed in the wrong order."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.open.append(f"/{tag}")


def moved(sequence: int, prev_hash: bytes, stream: int = 3) -> RowsMoved:
    return RowsMoved(stream=stream, sequence=sequence, prev_hash=prev_hash, tenant_id="t", merge_id="m", moved=())


def test_a_whole_stream_has_no_fault_and_repeats_are_counted_but_forgiven() -> None:
    witness = StreamWitness()
    witness.take(moved(1, bytes(32)), b"one")
    witness.take(moved(2, hashlib.sha256(b"one").digest()), b"two")
    witness.take(moved(1, bytes(32)), b"one")
    assert (witness.faults, witness.last, witness.events, witness.repeated) == ([], {3: 2}, 2, 1)


def test_a_gap_and_a_broken_chain_are_named() -> None:
    witness = StreamWitness()
    witness.take(moved(1, bytes(32)), b"one")
    witness.take(moved(3, bytes(32)), b"three")
    witness.take(moved(1, b"x" * 32, stream=4), b"other")
    assert witness.faults == ["stream 3 jumps from 1 to 3", "stream 4 number 1 does not name the hash of number 0"]


def candidate(a: str, b: str, score: float, *, at: datetime = AT, grade: Grade = Grade.CERTAIN) -> MergeCandidateFound:
    return MergeCandidateFound(
        tenant_id="t",
        candidate_id=f"{a}{b}",
        revision=1,
        members=(Member(customer_id=a, version=1), Member(customer_id=b, version=1)),
        pair=CandidatePair(a=a, b=b),
        score=score,
        grade=grade,
        evidence=(Evidence(field="email", level="exact", weight=9.0),),
        model_version="1",
        safe_to_automate=True,
        detected_at=at,
    )


def test_pairs_are_written_once_with_their_newest_word_best_first(tmp_path: Path) -> None:
    later = datetime(2026, 2, 1, tzinfo=UTC)
    write_pairs(
        tmp_path / "pairs.csv",
        [candidate("b", "a", 0.5), candidate("a", "b", 0.9, at=later), candidate("c", "d", 0.95, grade=Grade.PROBABLE)],
    )
    assert list(csv.reader((tmp_path / "pairs.csv").open())) == [
        ["customer_id_a", "customer_id_b", "score", "grade"],
        ["c", "d", "0.950000", "probable"],
        ["a", "b", "0.900000", "certain"],
    ]


def test_identities_are_written_in_input_order(tmp_path: Path) -> None:
    write_identities(tmp_path / "identity.csv", {"b": "a", "a": "a", 'c,"': 'c,"'})
    rows = list(csv.reader((tmp_path / "identity.csv").open()))
    assert rows == [["customer_id", "canonical_id"], ["b", "a"], ["a", "a"], ['c,"', 'c,"']]


@pytest.mark.parametrize("counted", [{}, {1: 5}, {1: 600, 2: 200, 3: 40, 7: 2}, {2: 1}, {1: 29_998, 2: 1}])
def test_the_picture_of_the_records_is_well_formed_and_says_its_figures(counted: dict[int, int]) -> None:
    drawn = Tags(flow(counted))
    records = sum(size * people for size, people in counted.items())
    assert drawn.open == []
    _, attributes = drawn.seen[0]
    assert attributes["aria-label"] == f"{records:,} records became {sum(counted.values()):,} customers"
    assert attributes["role"] == "img"


def test_the_picture_of_the_time_is_well_formed_and_absent_without_samples() -> None:
    def sample(at_s: float, merged: int) -> Sample:
        return Sample(at_s=at_s, records=10, candidates=1, approved=1, merged=merged, relinked=0, waiting=0)

    assert timeline([]) == ""
    drawn = Tags(timeline([sample(0.0, 0), sample(2.0, 4)]))
    assert drawn.open == []
    assert [tag for tag, _ in drawn.seen].count("polyline") == 3


def test_every_event_of_the_stream_can_be_witnessed() -> None:
    assert {"stream", "sequence", "prev_hash"} <= set(CustomerMerged.model_fields)


def test_codes_are_put_into_words_and_unknown_ones_stay_readable() -> None:
    assert reason("NO_TRUSTED_IDENTIFIER") == "No e-mail, phone or national id that is the same in both"
    assert reason("SOMETHING_NEW") == "Something new"
    assert detail("LOSER_HAS_LOGIN, BOTH_ACTIVELY_USED") == "the record to be merged away has a login, both are in use"
    assert detail("A_RULE_OF_YOURS beside ID") == "a rule of yours beside ID"
