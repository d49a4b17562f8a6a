import threading
from collections.abc import Iterator, Sequence

import pytest

from event_runtime.inbox import Claim, ClaimState
from event_runtime.records import MessageKey
from rig.runtime import Runtime, completed, make_runtime

NEW, DUPLICATE, CONFLICT = ClaimState.NEW, ClaimState.DUPLICATE, ClaimState.CONFLICT


@pytest.fixture
def runtime(database_url: str) -> Iterator[Runtime]:
    made = make_runtime(database_url)
    yield made
    made.engine.dispose()


def claim(runtime: Runtime, *messages: tuple[str, str, bytes]) -> list[Claim]:
    with runtime.engine.begin() as connection:
        return runtime.inbox.claim(connection, messages)


def test_a_message_is_new_once_and_a_duplicate_ever_after(runtime: Runtime) -> None:
    assert [c.state for c in claim(runtime, ("t1", "a", b"1"), ("t1", "b", b"2"))] == [NEW, NEW]
    assert [c.state for c in claim(runtime, ("t1", "b", b"2"), ("t1", "c", b"3"))] == [DUPLICATE, NEW]


def test_the_same_id_with_other_content_is_a_conflict(runtime: Runtime) -> None:
    claim(runtime, ("t1", "a", b"1"))
    assert claim(runtime, ("t1", "a", b"2"))[0].state is CONFLICT


def test_the_same_id_of_another_tenant_is_another_message(runtime: Runtime) -> None:
    claim(runtime, ("t1", "a", b"1"))
    assert claim(runtime, ("t2", "a", b"2"))[0].state is NEW


def test_within_one_claim_the_first_is_new_and_answers_keep_their_order(runtime: Runtime) -> None:
    states = [
        c.state for c in claim(runtime, ("t1", "z", b"1"), ("t1", "a", b"1"), ("t1", "z", b"1"), ("t1", "z", b"9"))
    ]
    assert states == [NEW, NEW, DUPLICATE, CONFLICT]


def test_a_claim_that_rolls_back_was_never_made(runtime: Runtime) -> None:
    with runtime.engine.begin() as connection:
        runtime.inbox.claim(connection, [("t1", "a", b"1")])
        connection.rollback()
    assert claim(runtime, ("t1", "a", b"1"))[0].state is NEW


def test_a_duplicate_gets_exactly_the_outcome_that_was_published(runtime: Runtime) -> None:
    outcome = completed(1)
    answer = runtime.publisher.draft(outcome, event_id="terminal", answers=MessageKey("t1", "a"))
    with runtime.engine.begin() as connection:
        runtime.inbox.claim(connection, [("t1", "a", b"1")])
        assert runtime.inbox.claim(connection, [("t1", "a", b"1")])[0].outcome is None
        runtime.outbox.append(connection, [answer])
    stored = claim(runtime, ("t1", "a", b"1"))[0].outcome
    assert stored is not None
    runtime.append(stored.draft())
    told = runtime.query("SELECT event_id, event_type, topic, key, headers, body FROM {s}.outbox ORDER BY position")
    assert told[0] == told[1]
    assert told[0][0] == "terminal"


def test_of_two_transactions_that_claim_the_same_messages_in_opposite_order_one_has_them_all(runtime: Runtime) -> None:
    messages = [("t1", f"m{number}", b"1") for number in range(50)]
    answers = {}

    def take(name: str, order: Sequence[tuple[str, str, bytes]]) -> None:
        answers[name] = claim(runtime, *order)

    threads = [
        threading.Thread(target=take, args=("a", messages)),
        threading.Thread(target=take, args=("b", messages[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = {name: {c.state for c in claims} for name, claims in answers.items()}
    assert sorted(won.values(), key=str) == [{DUPLICATE}, {NEW}]
