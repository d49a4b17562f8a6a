"""Which numbers of a stream count as seen."""

import random

from hypothesis import given
from hypothesis import strategies as st

from relink.stream_progress import StreamState


def test_numbers_in_order_are_new_once() -> None:
    state = StreamState()
    assert [state.take(n) for n in (1, 2, 3)] == [True, True, True]
    assert [state.take(n) for n in (1, 2, 3)] == [False, False, False]
    assert state.gaps == {}


def test_a_skipped_number_is_kept_as_a_gap_and_taken_when_it_comes() -> None:
    state = StreamState()
    assert state.take(5)
    assert state.gaps == {1: 4}
    assert state.take(2)
    assert state.gaps == {1: 1, 3: 4}
    assert not state.take(2)
    assert state.take(1)
    assert state.take(4)
    assert state.gaps == {3: 3}


@given(st.integers(1, 40), st.integers(0, 10_000))
def test_in_any_order_every_number_is_new_exactly_once(count: int, seed: int) -> None:
    delivered = [*range(1, count + 1)] * 2
    random.Random(seed).shuffle(delivered)  # noqa: S311 - no secret
    state = StreamState()
    assert sorted(n for n in delivered if state.take(n)) == [*range(1, count + 1)]
    assert state.gaps == {}
    assert state.last == count
