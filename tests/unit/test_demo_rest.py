"""A run is over when nothing is on its way, twice in a row; a run that stands still is a fault."""

import pytest

from customer_merge_demo.orchestration.rest import STALLED_AFTER_S, NotAtRest, RestWatch


class Looks:
    """Answers what is still moving, one look after the other; the clock moves ten seconds a look."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.now = 0.0

    def __call__(self) -> list[str]:
        self.now += 10
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def watch(*answers: list[str]) -> RestWatch:
    looks = Looks(*answers)
    return RestWatch(looks, clock=lambda: looks.now)


def test_one_quiet_look_is_not_enough() -> None:
    rest = watch([], ["a command has no outcome"], [], [])
    assert [rest.is_over() for _ in range(4)] == [False, False, False, True]


def test_what_changes_may_take_any_time() -> None:
    rest = watch(*[[f"{n} commands have no outcome"] for n in range(50, 0, -1)], [])
    assert [rest.is_over() for _ in range(52)][-1]


def test_the_same_things_on_their_way_for_too_long_are_named() -> None:
    rest = watch(["crm has 3 merges to acknowledge"])
    for _ in range(int(STALLED_AFTER_S / 10) + 1):
        assert not rest.is_over()
    with pytest.raises(NotAtRest, match="nothing has moved for 90 s: crm has 3 merges to acknowledge"):
        rest.is_over()
