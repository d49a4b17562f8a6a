"""The page of a run: a sentence and a picture for every pair shown; what records say is never markup."""

import json
from html.parser import HTMLParser

import pytest

from customer_identity.approval import EvidenceItem
from customer_identity.explanation import Finding
from customer_merge_demo.results.facts import ComparisonView, Facts, PersonView, RecordView
from customer_merge_demo.results.report import render
from customer_merge_demo.results.waiting import OpenCases

EVIDENCE = [
    {"field": "email", "level": "equal", "weight": 17.0},
    {"field": "given_name", "level": "different", "weight": -4.0},
    {"field": "other_explanation", "level": "twins", "weight": -12.0},
]
CASE = {
    "case": 7,
    "pair": ["a", "b"],
    "members": ["a", "b"],
    "score": 0.67,
    "grade": "PROBABLE",
    "evidence": EVIDENCE,
    "blocked_because": ["NOT_CERTAIN", "DOUBTFUL_GIVEN_NAME"],
    "reasons": [{"code": "DETECTOR_OBJECTS", "message": "NOT_CERTAIN, DOUBTFUL_GIVEN_NAME"}],
}
MERGED = Finding(score=0.999, grade="CERTAIN", evidence=[EvidenceItem(field="phone", level="equal", weight=10.0)])


class Elements(HTMLParser):
    """Which elements a page has, and its words."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs).get("class")))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def page() -> Elements:
    record = RecordView(customer_id="a", source="web", fields={"name": "<b>Ann</b>"}, orders=1, points=2)
    person = PersonView(
        canonical_id="a", before=[record], after=record.fields, decisions={}, orders=1, points=2,
        comparisons=[ComparisonView(a="a", b="b", finding=MERGED)],
    )  # fmt: skip
    open_cases = OpenCases.read(json.dumps([CASE]))
    facts = Facts(
        input_name="x", invented_history=False, records=2, people=1, sizes={2: 1}, merges=1, candidates={}, commands=1,
        rejected={}, waiting=1, waiting_reasons=open_cases.reasons(), persons=[person], cases=open_cases.views({}),
        systems=[], checks=[], accuracy=None, timing={}, samples=[], memory={}, warnings=[],
    )  # fmt: skip
    return Elements(render(facts))


def test_every_pair_is_told_in_a_sentence(page: Elements) -> None:
    assert "Almost certainly one person (99.90 %): same phone; nothing clear against it." in page.words
    assert "Probably one person (67 %): same e-mail address; against it: another given name." in page.words
    assert "If two people, then most likely twins." in page.words


def test_every_pair_is_drawn(page: Elements) -> None:
    assert page.seen.count(("svg", "weights")) == 2
    assert page.seen.count(("rect", "total")) == 2
    assert ("rect", "against") in page.seen


def test_the_page_says_what_the_picture_looks_like_once(page: Elements) -> None:
    assert page.words.count(".weights .for") == 1


def test_reasons_are_put_into_words_and_values_of_records_stay_values(page: Elements) -> None:
    assert "it is not certain, the given names are more than a slip apart" in page.words
    assert "<b>Ann</b>" in page.words
    assert ("b", None) not in page.seen
