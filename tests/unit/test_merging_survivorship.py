"""Survivorship strategies, each with its table of cases: values by record, the winner's first."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from customer_identity.merging.survivorship import STRATEGIES, Candidate, Terms, Undecided
from rig.survivorship import RANKS, chosen, plain

SOURCES = Terms(order=("POS", "WEB"))
CONFLICT, OVER_CAP, UNFIT = Undecided.CONFLICT, Undecided.OVER_CAP, Undecided.UNFIT
OLD, NEW = date(2020, 1, 1), date(2024, 1, 1)
CASES: dict[str, list[tuple[list[Any], Any]]] = {
    "WINNER_STRICT": [(["w", "x"], ("w", 0)), ([None, "x"], (None, None)), (["", "x"], ("", None))],
    "WINNER_THEN_FILL": [
        (["w", "x"], ("w", 0)),
        ([None, "x", "y"], ("x", 1)),
        (["  ", "x"], ("x", 1)),
        ([None, None], (None, None)),
        ([False, True], (False, 0)),
        ([0, 5], (0, 0)),
        ([[], ["x"]], (["x"], 1)),
    ],
    "FREQUENCY": [
        (["w", "x", "x"], ("x", 1)),
        (["w", "X ", "x", "w"], ("w", 0)),
        (["w", "x"], ("w", 0)),
        ([None, None, "x"], ("x", 2)),
        ([None], (None, None)),
    ],
    "MIN": [
        ([3, 1, 2], (1, 1)),
        ([None, 2], (2, 1)),
        ([2, 2], (2, 0)),
        ([None], (None, None)),
        ([1, "x"], UNFIT),
        ([Decimal(1), Decimal("NaN")], UNFIT),
    ],
    "MAX": [([3, 1, 4], (4, 2)), ([None, 2], (2, 1)), ([2, 2], (2, 0)), ([OLD, NEW], (NEW, 1)), (["x", OLD], UNFIT)],
    "SUM": [
        ([3, 1, 4], (8, None)),
        ([None, 2], (2, 1)),
        ([None, None], (None, None)),
        ([Decimal("0.10"), Decimal("0.20")], (Decimal("0.30"), None)),
        ([0.1, 0.2, 0.3], (0.6, None)),
        (["1", 2], UNFIT),
        ([True, 1], UNFIT),
    ],
    "MOST_RESTRICTIVE": [
        ([True, False], (False, 1)),
        ([False, True], (False, 0)),
        ([None, True], (True, 1)),
        ([None, None], (None, None)),
    ],
    "CONCAT": [
        (["w", "x"], ("w\nx", None)),
        (["w", " W "], ("w", 0)),
        ([None, "x"], ("x", 1)),
        (["w", None, "x", "w"], ("w\nx", None)),
        (["w\n\nv", "x\nW\n y", "y"], ("w\n\nv\nx\n y", None)),
        ([1, "x"], UNFIT),
    ],
    "UNION": [
        ([["a", "b"], ["B", "c"], ["d"]], (["a", "b", "c", "d"], None)),
        ([["a", "b"], ["B"]], (["a", "b"], 0)),
        ([None, ["b", "b"]], (["b", "b"], 1)),
        (["a, b", "c,a"], ("a, b, c", None)),
        ([[1], [2, 1]], ([1, 2], None)),
        ([None, None], (None, None)),
        ([1, 2], UNFIT),
        (["a", ["b"]], UNFIT),
    ],
    "BLOCK_ON_CONFLICT": [
        (["w", "x"], CONFLICT),
        (["w", "W ", None], ("w", 0)),
        ([None, "x", "x"], ("x", 1)),
        ([None, "x", "y"], CONFLICT),
        ([None, None], (None, None)),
    ],
}


@pytest.mark.parametrize(
    ("strategy", "values", "expected"),
    [(strategy, values, expected) for strategy, cases in CASES.items() for values, expected in cases],
)
def test_a_strategy_chooses(strategy: str, values: list[object], expected: object) -> None:
    assert chosen(strategy, plain(values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["silver", "Gold"], ("Gold", 1)),
        (["BRONZE", "SILVER"], ("SILVER", 1)),
        (["BRONZE", "TIN"], ("BRONZE", 0)),
        ([4, 3], (3, 1)),
        (["GOLD", "gold"], ("GOLD", 0)),
        ([None, "TIN"], ("TIN", 1)),
    ],
)
def test_the_highest_rank_is_the_first_of_the_plans_order(values: list[object], expected: object) -> None:
    assert chosen("HIGHEST_RANK", plain(values), RANKS) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("w", "WEB"), ("x", "pos")], ("x", 1)),
        ([("w", "FAX"), ("x", "WEB")], ("x", 1)),
        ([("w", None), ("x", "FAX")], ("w", 0)),
        ([("w", "WEB"), (None, "POS")], ("w", 0)),
        ([("w", "POS"), ("x", "POS")], ("w", 0)),
    ],
)
def test_the_best_source_that_says_anything_counts(rows: list[tuple[Any, Any]], expected: object) -> None:
    candidates = [
        Candidate(customer_id=str(place), value=value, source=source) for place, (value, source) in enumerate(rows)
    ]
    assert chosen("SOURCE_PRIORITY", candidates, SOURCES) == expected


DATED: dict[str, list[tuple[list[tuple[Any, Any]], Any]]] = {
    "RECENCY": [
        ([("w", OLD), ("x", NEW)], ("x", 1)),
        ([("w", OLD), (None, NEW)], (None, 1)),
        ([("w", OLD), (None, None)], ("w", 0)),
        ([("w", None), ("x", OLD)], ("x", 1)),
        ([("w", NEW), ("x", NEW)], ("w", 0)),
        ([(None, None), ("x", None)], ("x", 1)),
        ([("w", OLD), ("x", datetime(2024, 1, 1, tzinfo=UTC))], UNFIT),
    ],
    "OLDEST": [
        ([("w", NEW), ("x", OLD)], ("x", 1)),
        ([("w", NEW), (None, OLD)], ("w", 0)),
        ([("w", None), ("x", NEW)], ("x", 1)),
        ([("w", None), ("x", None)], ("w", 0)),
        ([("w", OLD), ("x", OLD)], ("w", 0)),
    ],
    "LATEST_EVIDENCE": [
        ([(True, OLD), (False, NEW)], (False, 1)),
        ([(True, OLD), (None, NEW)], (True, 0)),
        ([(True, None), (False, OLD)], (False, 1)),
        ([(True, None), (False, None)], (True, 0)),
    ],
}


@pytest.mark.parametrize(
    ("strategy", "rows", "expected"),
    [(strategy, rows, expected) for strategy, cases in DATED.items() for rows, expected in cases],
)
def test_a_dated_strategy_chooses(strategy: str, rows: list[tuple[Any, Any]], expected: object) -> None:
    candidates = [Candidate(customer_id=str(place), value=value, time=time) for place, (value, time) in enumerate(rows)]
    assert chosen(strategy, candidates) == expected


def test_a_date_without_the_evidence_that_the_plan_asks_for_does_not_count() -> None:
    candidates = [
        Candidate(customer_id="0", value=True, time=OLD, evidence=True),
        Candidate(customer_id="1", value=False, time=NEW, evidence=False),
    ]
    assert chosen("LATEST_EVIDENCE", candidates) == (True, 0)


def test_a_verified_value_goes_before_the_winners_unverified_one() -> None:
    candidates = [
        Candidate(customer_id="0", value="old"),
        Candidate(customer_id="1", value=None, verified=True),
        Candidate(customer_id="2", value="new", verified=True),
    ]
    assert chosen("VERIFIED_FIRST", candidates) == ("new", 2)
    assert chosen("VERIFIED_FIRST", candidates[:2]) == ("old", 0)


def test_what_forbids_is_what_the_plan_says() -> None:
    assert chosen("MOST_RESTRICTIVE", plain([False, True]), Terms(restrictive=True)) == (True, 1)
    assert chosen("MOST_RESTRICTIVE", plain(["yes", "No "]), Terms(restrictive="NO")) == ("No ", 1)


@pytest.mark.parametrize(
    ("strategy", "cap", "values", "expected"),
    [
        ("UNION", 3, [["a", "b"], ["c"]], (["a", "b", "c"], None)),
        ("UNION", 2, [["a", "b"], ["c"]], OVER_CAP),
        ("UNION", 1, [["a", "b"], ["A"]], (["a", "b"], 0)),
        ("CONCAT", 3, ["a", "b"], ("a\nb", None)),
        ("CONCAT", 2, ["a", "b"], OVER_CAP),
        ("CONCAT", 2, ["abc", "ABC"], ("abc", 0)),
    ],
)
def test_what_would_be_too_much_together_is_left_to_somebody(
    strategy: str, cap: int, values: list[object], expected: object
) -> None:
    assert chosen(strategy, plain(values), Terms(cap=cap)) == expected


def test_every_strategy_has_cases() -> None:
    assert CASES.keys() | DATED.keys() | {"VERIFIED_FIRST", "HIGHEST_RANK", "SOURCE_PRIORITY"} == STRATEGIES.keys()
