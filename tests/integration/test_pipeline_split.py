"""Batches that are too much work for one transaction are done in several: nothing is lost, repeated or refused."""

from collections.abc import Sequence

from sqlalchemy import Connection

from event_runtime.faults import Fault
from event_runtime.pipeline import BatchPolicy
from event_runtime.records import Received
from rig.fixtures import MakeTopics
from rig.processes import eventually
from rig.runtime import Converter, command, make_runtime, produce, running

MOST, COUNT = 7, 60


class TooMuch(Fault):
    """More records than one transaction takes."""

    splits_batch = True


def test_a_handler_that_takes_few_records_a_transaction_gets_them_in_few_and_in_order(
    kafka: str, database_url: str, topic_prefix: str, make_topics: MakeTopics
) -> None:
    make_topics({"merge-command": 1, "customer-merged": 1, "merge-outcome": 1})
    runtime = make_runtime(database_url, topic_prefix)
    tried: list[int] = []
    done: list[str] = []

    def at_most_a_few(_connection: Connection, received: Sequence[Received]) -> None:
        tried.append(len(received))
        if len(received) > MOST:
            raise TooMuch
        done.extend(each.event.command_id for each in received)  # type: ignore[attr-defined]

    values = [runtime.codec.encode(command(number)) for number in range(COUNT)]
    produce(kafka, runtime.topics["merge-command"], values, partition=0)
    policy = BatchPolicy(max_records=COUNT, linger_ms=2_000)
    pipeline = runtime.pipeline(kafka, {"merge-command": Converter(runtime, at_most_a_few)}, batch=policy)
    with running(pipeline):
        eventually(lambda: runtime.query("SELECT next_offset FROM {s}.positions") == [(COUNT,)], 60)
    assert done == [f"c{number:05d}" for number in range(COUNT)]  # each once, in order, and none was tried twice
    assert max(tried) > MOST
    assert [row[0] for row in runtime.query("SELECT command_id FROM {s}.seen ORDER BY command_id")] == done
    assert runtime.scalar("SELECT count(*) FROM {s}.quarantine") == 0
    runtime.engine.dispose()
