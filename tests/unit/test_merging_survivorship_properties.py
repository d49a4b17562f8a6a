"""What every survivorship strategy promises, whatever the values."""

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from customer_identity.merging.survivorship import STRATEGIES, Candidate, Choice, Terms, Undecided
from customer_identity.merging.value_forms import comparable
from rig.survivorship import PLAIN, RANKS, plain

SOURCES = Terms(order=("POS", "WEB"))
OLD, NEW = date(2020, 1, 1), date(2024, 1, 1)
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
    choice = STRATEGIES[strategy](plain(list(values)), RANKS)
    assert isinstance(choice, Choice)
    present = [value for value in values if comparable(value) is not None]
    if strategy == "UNION" and all(not set(str(value)) - set(", ") for value in present):
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
    one, other = (STRATEGIES[strategy](plain(list(order)), PLAIN) for order in (values, shuffled))
    assert isinstance(one, Choice)
    assert isinstance(other, Choice)
    assert one.value == other.value


@given(values=st.lists(st.floats(-1e9, 1e9) | st.none(), min_size=1, max_size=6), data=st.data())
def test_a_sum_of_floats_does_not_depend_on_their_order(values: list[float | None], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(values))
    one, other = (STRATEGIES["SUM"](plain(list(order)), PLAIN) for order in (values, shuffled))
    assert isinstance(one, Choice)
    assert isinstance(other, Choice)
    assert one.value == other.value


@given(values=st.lists(st.booleans() | st.none(), min_size=1, max_size=6), data=st.data())
def test_a_refusal_wins_in_any_order(values: list[bool | None], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(values))
    one, other = (STRATEGIES["MOST_RESTRICTIVE"](plain(list(order)), PLAIN) for order in (values, shuffled))
    assert isinstance(one, Choice)
    assert isinstance(other, Choice)
    assert one.value is other.value
    assert (one.value is False) == (False in values)


@given(lists=st.lists(st.lists(st.sampled_from("aAbcd"), max_size=4), min_size=1, max_size=4), data=st.data())
def test_a_union_holds_the_same_elements_whatever_the_order_of_the_losers(
    lists: list[list[str]], data: st.DataObject
) -> None:
    shuffled = [lists[0], *data.draw(st.permutations(lists[1:]))]
    sets = []
    for order in (lists, shuffled):
        choice = STRATEGIES["UNION"](plain(list(order)), PLAIN)
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
