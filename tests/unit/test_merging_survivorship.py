"""Survivorship strategies, each with its table of cases: values by record, the winner's first."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_identity.merging.survivorship import STRATEGIES, Candidate, Choice, Terms, Undecided
from customer_identity.merging.value_forms import comparable

PLAIN = Terms()
RANKS = Terms(order=("GOLD", "SILVER", 3))
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


def _chosen(strategy: str, candidates: list[Candidate], terms: Terms = PLAIN) -> object:
    """(value, place of the record it came from), or why nothing was chosen."""
    choice = STRATEGIES[strategy](candidates, terms)
    if isinstance(choice, Undecided):
        return choice
    return choice.value, None if choice.from_customer_id is None else int(choice.from_customer_id)


def _plain(values: list[Any]) -> list[Candidate]:
    return [Candidate(customer_id=str(place), value=value) for place, value in enumerate(values)]


@pytest.mark.parametrize(
    ("strategy", "values", "expected"),
    [(strategy, values, expected) for strategy, cases in CASES.items() for values, expected in cases],
)
def test_a_strategy_chooses(strategy: str, values: list[object], expected: object) -> None:
    assert _chosen(strategy, _plain(values)) == expected


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
    assert _chosen("HIGHEST_RANK", _plain(values), RANKS) == expected


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
    assert _chosen("SOURCE_PRIORITY", candidates, SOURCES) == expected


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
    assert _chosen(strategy, candidates) == expected


def test_a_date_without_the_evidence_that_the_plan_asks_for_does_not_count() -> None:
    candidates = [
        Candidate(customer_id="0", value=True, time=OLD, evidence=True),
        Candidate(customer_id="1", value=False, time=NEW, evidence=False),
    ]
    assert _chosen("LATEST_EVIDENCE", candidates) == (True, 0)


def test_a_verified_value_goes_before_the_winners_unverified_one() -> None:
    candidates = [
        Candidate(customer_id="0", value="old"),
        Candidate(customer_id="1", value=None, verified=True),
        Candidate(customer_id="2", value="new", verified=True),
    ]
    assert _chosen("VERIFIED_FIRST", candidates) == ("new", 2)
    assert _chosen("VERIFIED_FIRST", candidates[:2]) == ("old", 0)


def test_what_forbids_is_what_the_plan_says() -> None:
    assert _chosen("MOST_RESTRICTIVE", _plain([False, True]), Terms(restrictive=True)) == (True, 1)
    assert _chosen("MOST_RESTRICTIVE", _plain(["yes", "No "]), Terms(restrictive="NO")) == ("No ", 1)


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
    assert _chosen(strategy, _plain(values), Terms(cap=cap)) == expected


def test_every_strategy_has_cases() -> None:
    assert CASES.keys() | DATED.keys() | {"VERIFIED_FIRST", "HIGHEST_RANK", "SOURCE_PRIORITY"} == STRATEGIES.keys()


TEXTS = st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=5)
KEEPING = sorted(STRATEGIES.keys() - {"WINNER_STRICT", "BLOCK_ON_CONFLICT", "SUM", "RECENCY"})
CANDIDATES = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["a", "A ", "b", "c", " "]),
        st.none() | st.dates(min_value=OLD, max_value=date(2020, 1, 3)),
        st.sampled_from(["POS", "WEB", None]),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@given(values=TEXTS, strategy=st.sampled_from(KEEPING))
def test_no_strategy_loses_the_only_information_there_is(values: list[str | None], strategy: str) -> None:
    choice = STRATEGIES[strategy](_plain(list(values)), RANKS)
    assert isinstance(choice, Choice)
    present = [value for value in values if comparable(value) is not None]
    if strategy == "UNION" and all(not set(value) - set(", ") for value in present):
        return  # commas alone hold no element
    assert (comparable(choice.value) is not None) == bool(present)
    if strategy not in {"CONCAT", "UNION"}:
        assert choice.value in values


def _candidates(rows: list[tuple[Any, Any, Any, bool]]) -> list[Candidate]:
    return [
        Candidate(customer_id=str(place), value=value, time=time, source=source, verified=flag, evidence=flag)
        for place, (value, time, source, flag) in enumerate(rows)
    ]


@given(rows=CANDIDATES, strategy=st.sampled_from(sorted(STRATEGIES.keys() - {"SUM"})))
def test_a_strategy_never_invents_and_names_the_record_it_took_the_value_from(
    rows: list[tuple[Any, Any, Any, bool]], strategy: str
) -> None:
    candidates = _candidates(rows)
    choice = STRATEGIES[strategy](candidates, SOURCES)
    if isinstance(choice, Undecided):
        assert strategy == "BLOCK_ON_CONFLICT"
        return
    if choice.from_customer_id is not None:
        assert choice.value == candidates[int(choice.from_customer_id)].value
    else:
        assert strategy in {"UNION", "CONCAT"} or comparable(choice.value) is None


@given(rows=CANDIDATES, strategy=st.sampled_from(sorted(STRATEGIES.keys() - {"SUM"})))
def test_records_that_say_the_same_leave_the_winners_words(
    rows: list[tuple[Any, Any, Any, bool]], strategy: str
) -> None:
    """A verified, newer or better placed record that agrees changes nothing but the spelling it would bring."""
    same = [("Same", time, source, flag) for _, time, source, flag in rows]
    choice = STRATEGIES[strategy](_candidates(same), SOURCES)
    assert isinstance(choice, Choice)
    assert choice.value == "Same"


@given(
    values=st.lists(st.integers() | st.none(), min_size=1, max_size=6),
    strategy=st.sampled_from(["MIN", "MAX", "SUM"]),
    data=st.data(),
)
def test_figures_do_not_depend_on_the_order_of_the_records(
    values: list[int | None], strategy: str, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(values))
    one, other = (STRATEGIES[strategy](_plain(list(order)), PLAIN) for order in (values, shuffled))
    assert isinstance(one, Choice)
    assert isinstance(other, Choice)
    assert one.value == other.value


@given(values=st.lists(st.floats(-1e9, 1e9) | st.none(), min_size=1, max_size=6), data=st.data())
def test_a_sum_of_floats_does_not_depend_on_their_order(values: list[float | None], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(values))
    one, other = (STRATEGIES["SUM"](_plain(list(order)), PLAIN) for order in (values, shuffled))
    assert isinstance(one, Choice)
    assert isinstance(other, Choice)
    assert one.value == other.value


@given(values=st.lists(st.booleans() | st.none(), min_size=1, max_size=6), data=st.data())
def test_a_refusal_wins_in_any_order(values: list[bool | None], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(values))
    (one, _), (other, _) = (_chosen("MOST_RESTRICTIVE", _plain(list(order))) for order in (values, shuffled))  # type: ignore[misc]
    assert one is other
    assert (one is False) == (False in values)


@given(lists=st.lists(st.lists(st.sampled_from("aAbcd"), max_size=4), min_size=1, max_size=4), data=st.data())
def test_a_union_holds_the_same_elements_whatever_the_order_of_the_losers(
    lists: list[list[str]], data: st.DataObject
) -> None:
    shuffled = [lists[0], *data.draw(st.permutations(lists[1:]))]
    sets = []
    for order in (lists, shuffled):
        choice = STRATEGIES["UNION"](_plain(list(order)), PLAIN)
        assert isinstance(choice, Choice)
        assert choice.value[: len(lists[0])] == lists[0] or not lists[0], "the winner's come first, untouched"
        sets.append({comparable(element) for element in choice.value})
    assert sets[0] == sets[1] == {comparable(element) for one in lists for element in one}


@given(rows=CANDIDATES, strategy=st.sampled_from(["RECENCY", "OLDEST", "LATEST_EVIDENCE", "FREQUENCY"]), data=st.data())
def test_only_ties_depend_on_the_order_of_the_losers(
    rows: list[tuple[Any, Any, Any, bool]], strategy: str, data: st.DataObject
) -> None:
    """With every date different and every count different, the order decides nothing."""
    times = data.draw(st.lists(st.dates(OLD, NEW), min_size=len(rows), max_size=len(rows), unique=True))
    distinct = [(value, time, source, flag) for (value, _, source, flag), time in zip(rows, times, strict=True)]
    shuffled = data.draw(st.permutations(distinct))
    one, other = (STRATEGIES[strategy](_candidates(list(order)), PLAIN) for order in (distinct, shuffled))
    assert isinstance(one, Choice)
    assert isinstance(other, Choice)
    counts = [comparable(row[0]) for row in rows]
    if strategy == "FREQUENCY" and len({counts.count(form) for form in counts if form}) < len(set(counts) - {None}):
        return  # a tie
    if strategy == "LATEST_EVIDENCE" and not any(row[3] and comparable(row[0]) for row in rows):
        return  # nothing is proven: the first value stands
    if strategy == "OLDEST" and not any(comparable(row[0]) for row in rows):
        return  # nothing is known
    assert comparable(one.value) == comparable(other.value)
