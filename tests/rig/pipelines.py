"""Commands through a pipeline on a real Kafka and a real database: what is sent, and what became of it."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from pydantic import BaseModel

from event_runtime.health import LoopState
from event_runtime.pipeline import Pipeline
from rig.fixtures import MakeTopics
from rig.processes import eventually as within
from rig.runtime import Runtime, make_runtime, produce

COMMAND, ACK = "merge-command", "relink-ack"
Value = TypeVar("Value")


def eventually(predicate: Callable[[], Value | None]) -> Value:
    """With a deadline for a busy machine; a killed member of a group alone keeps its partitions for seconds."""
    return within(predicate, 90)


def commands_and_acks(database_url: str, make_topics: MakeTopics, topic_prefix: str) -> Iterator[Runtime]:
    """For a fixture that yields from it: a runtime with three partitions of commands and one of acks."""
    make_topics({COMMAND: 3, ACK: 1})
    made = make_runtime(database_url, topic_prefix)
    yield made
    made.engine.dispose()


def send(
    runtime: Runtime, kafka: str, *commands: BaseModel | bytes | None, topic: str = COMMAND, partition: int = -1
) -> None:
    """Publish commands, or bytes as they are."""
    values = [each if isinstance(each, bytes | None) else runtime.codec.encode(each) for each in commands]
    produce(kafka, runtime.topics[topic], values, partition=partition)


def seen(runtime: Runtime) -> list[str]:
    """The commands that were done, in the order in which they were."""
    return [row[0] for row in runtime.query("SELECT command_id FROM {s}.seen ORDER BY n")]


def done(runtime: Runtime) -> int:
    """How many records are behind the positions."""
    return sum(row[0] for row in runtime.query("SELECT next_offset FROM {s}.positions"))


def outbox(runtime: Runtime, event_type: str) -> int:
    """How many events of a type are to be published."""
    return int(runtime.scalar("SELECT count(*) FROM {s}.outbox WHERE event_type = :type", type=event_type))


def waiting(pipeline: Pipeline) -> str | None:
    """What the pipeline waits for."""
    look = pipeline.progress.look()
    return look.reason if look.state is LoopState.WAITING else None
