"""Survivorship strategies, each with its table of cases: values by record, the winner's first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_identity.merging.survivorship import STRATEGIES, Candidate, comparable

CASES = {
    "WINNER_STRICT": [(["w", "x"], ("w", 0)), ([None, "x"], (None, None)), (["", "x"], ("", None))],
    "WINNER_THEN_FILL": [
        (["w", "x"], ("w", 0)),
        ([None, "x", "y"], ("x", 1)),
        (["  ", "x"], ("x", 1)),
        ([None, None], (None, None)),
        ([False, True], (False, 0)),
        ([0, 5], (0, 0)),
    ],
    "MIN": [([3, 1, 2], (1, 1)), ([None, 2], (2, 1)), ([2, 2], (2, 0)), ([None], (None, None))],
    "MAX": [([3, 1, 4], (4, 2)), ([None, 2], (2, 1)), ([2, 2], (2, 0))],
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
    ],
}


@pytest.mark.parametrize(
    ("strategy", "values", "expected"),
    [(strategy, values, expected) for strategy, cases in CASES.items() for values, expected in cases],
)
def test_a_strategy_chooses(strategy: str, values: list[object], expected: tuple[object, int | None]) -> None:
    candidates = [Candidate(customer_id=str(place), value=value) for place, value in enumerate(values)]
    choice = STRATEGIES[strategy](candidates)
    assert (choice.value, choice.from_customer_id) == (expected[0], None if expected[1] is None else str(expected[1]))


def test_a_verified_value_goes_before_the_winners_unverified_one() -> None:
    candidates = [
        Candidate(customer_id="w", value="old"),
        Candidate(customer_id="x", value=None, verified=True),
        Candidate(customer_id="y", value="new", verified=True),
    ]
    assert STRATEGIES["VERIFIED_FIRST"](candidates).from_customer_id == "y"
    assert STRATEGIES["VERIFIED_FIRST"](candidates[:2]).from_customer_id == "w"


def test_every_strategy_has_cases() -> None:
    assert CASES.keys() | {"VERIFIED_FIRST"} == STRATEGIES.keys()


TEXTS = st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=5)


@given(values=TEXTS, strategy=st.sampled_from(["WINNER_THEN_FILL", "VERIFIED_FIRST", "MIN", "MAX", "CONCAT"]))
def test_no_strategy_loses_the_only_information_there_is(values: list[str | None], strategy: str) -> None:
    candidates = [Candidate(customer_id=str(place), value=value) for place, value in enumerate(values)]
    choice = STRATEGIES[strategy](candidates)
    present = [value for value in values if comparable(value) is not None]
    assert (comparable(choice.value) is not None) == bool(present)
    if strategy != "CONCAT":
        assert choice.value in values


@given(values=st.lists(st.integers() | st.none(), min_size=1, max_size=6), data=st.data())
def test_the_value_of_a_minimum_or_maximum_does_not_depend_on_the_order_of_losers(
    values: list[int | None], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(values))
    for strategy in ("MIN", "MAX"):
        one, other = (
            STRATEGIES[strategy]([Candidate(customer_id=str(place), value=value) for place, value in enumerate(order)])
            for order in (values, shuffled)
        )
        assert one.value == other.value
