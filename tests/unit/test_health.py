"""Health: alive is progress, ready is having what is needed."""

import pytest

from event_runtime.health import Health, Progress


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def watched(*names: str) -> tuple[Health, Clock, list[Progress]]:
    clock, health = Clock(), Health()
    loops = [health.watch(Progress(name, silence_limit_s=10, clock=clock)) for name in names]
    return health, clock, loops


def test_a_service_is_ready_when_every_loop_is() -> None:
    health, _, (commands, relay) = watched("commands", "relay")
    assert health.unready_because() == [
        "commands: starting: has not begun",
        "relay: starting: has not begun",
    ]
    commands.ready()
    relay.waiting("the lease of slot 0")
    assert health.unready_because() == ["relay: waiting: the lease of slot 0"]
    relay.ready()
    assert health.unready_because() == []


def test_a_service_that_stops_is_not_ready() -> None:
    health, _, (loop,) = watched("commands")
    loop.ready()
    health.stop()
    assert health.unready_because() == ["stopping"]


def test_a_silent_loop_is_not_alive_until_it_comes_round_again() -> None:
    health, clock, (loop,) = watched("commands")
    loop.ready()
    clock.now_s += 11
    assert not health.is_alive()
    loop.beat()
    assert health.is_alive()


@pytest.mark.parametrize("end", ["failed", "ended"])
def test_a_loop_that_halted_is_unready_and_no_reason_to_restart(end: str) -> None:
    health, clock, (loop,) = watched("relay")
    if end == "failed":
        loop.failed("stream 3 has forked")
    else:
        loop.ended()
    clock.now_s += 1000
    assert health.is_alive()
    assert len(health.unready_because()) == 1


def test_waiting_is_progress() -> None:
    health, clock, (loop,) = watched("commands")
    for _ in range(5):
        clock.now_s += 9
        loop.waiting("no broker answers")
    assert health.is_alive()
