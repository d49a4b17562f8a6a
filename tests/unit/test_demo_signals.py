"""A signal is why the demo ends, whatever fails on the way out."""

import signal
from collections.abc import Callable
from typing import NoReturn

import pytest

from customer_merge_demo import __main__ as command


@pytest.fixture(autouse=True)
def _own_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(command, "_ending", [])


@pytest.mark.parametrize(
    ("handler", "reason"), [(command._interrupt, KeyboardInterrupt), (command._terminate, SystemExit)]
)
def test_what_a_signal_interrupts_may_fail_and_the_signal_stays_the_reason(
    handler: Callable[[int, object], NoReturn], reason: type[BaseException]
) -> None:
    with pytest.raises(reason), command._signal_first():
        _query(interrupted_by=handler)


def _query(*, interrupted_by: Callable[[int, object], NoReturn]) -> None:
    try:
        interrupted_by(0, None)
    except (KeyboardInterrupt, SystemExit):
        raise RuntimeError("the driver was in the middle of a query") from None


def test_without_a_signal_a_fault_is_a_fault() -> None:
    with pytest.raises(RuntimeError, match="by itself"), command._signal_first():
        raise RuntimeError("by itself")
