"""One contract of the consumer side of the bus: on the embedded bus and a real Kafka, in each protocol they have."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from event_runtime.bus import BusConsumer
from event_runtime.bus_config import consumer_config, producer_config
from event_runtime.faults import SettingError
from event_runtime.records import Partition, Record
from rig.fixtures import MakeTopics
from rig.processes import eventually
from rig.runtime import SOON_MISSED, produce

Join = Callable[..., BusConsumer]

CLASSIC = {"partition.assignment.strategy": "range"}
COOPERATIVE = {"partition.assignment.strategy": "cooperative-sticky"}
KIP_848 = {"group.protocol": "consumer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """A bus under test: an address, a way to talk to it, a topic of three partitions."""

    bootstrap: str
    protocol: Mapping[str, str]
    topic: str

    def join(self, group: str = "g") -> BusConsumer:
        kafka = {"bootstrap.servers": self.bootstrap, **self.protocol}
        if "group.protocol" not in self.protocol:
            kafka |= SOON_MISSED
        return BusConsumer(kafka, group=f"{self.topic}-{group}", topics=[self.topic])

    def produce(self, *values: bytes | None, partition: int = 0) -> None:
        produce(self.bootstrap, self.topic, values, partition=partition)

    def of(self, number: int) -> Partition:
        return Partition(self.topic, number)


@pytest.fixture(params=["embedded-classic", "embedded-kip848", "kafka-classic", "kafka-cooperative", "kafka-kip848"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    server, _, name = request.param.partition("-")
    protocol = {"classic": CLASSIC, "cooperative": COOPERATIVE, "kip848": KIP_848}[name]
    if server == "embedded":
        embedded = request.getfixturevalue("embedded_bus")
        topic = f"t{uuid.uuid4().hex[:8]}"
        embedded.create_topic(topic, 3)
        yield Bus(bootstrap=embedded.bootstrap, protocol=protocol, topic=topic)
    else:
        kafka, make_topics = request.getfixturevalue("kafka"), request.getfixturevalue("make_topics")
        yield Bus(bootstrap=kafka, protocol=protocol, topic=make_topics({"contract": 3})["contract"])


@pytest.fixture
def join(bus: Bus) -> Iterator[Callable[..., BusConsumer]]:
    joined: list[BusConsumer] = []

    def make(group: str = "g") -> BusConsumer:
        joined.append(bus.join(group))
        return joined[-1]

    yield make
    for consumer in joined:
        consumer.close()


def assigned(*consumers: BusConsumer) -> list[set[Partition]]:
    return [set(consumer.unplaced) | set(consumer.placed) for consumer in consumers]


def wait_for_assignment(*consumers: BusConsumer, partitions: int = 3) -> None:
    def settled() -> bool:
        for consumer in consumers:
            consumer.poll_batch(1, timeout_s=0.05, linger_s=0)
        shares = assigned(*consumers)
        return sum(map(len, shares)) == len(set().union(*shares)) == partitions and all(shares)

    eventually(settled, 60)


def place(consumer: BusConsumer, **offsets: int) -> None:
    def placed() -> bool:
        for partition in consumer.unplaced:
            consumer.place(partition, offsets.get(f"p{partition.number}", 0))
        consumer.poll_batch(1, timeout_s=0.02, linger_s=0) if consumer.unplaced else None
        return not consumer.unplaced

    eventually(placed, 30)


def read(consumer: BusConsumer, count: int, *, size: int = 100) -> list[Record]:
    records: list[Record] = []

    def enough() -> bool:
        records.extend(consumer.poll_batch(size, timeout_s=0.2, linger_s=0.02))
        return len(records) >= count

    eventually(enough, 30)
    return records


def nothing_more(consumer: BusConsumer) -> bool:
    return not any(consumer.poll_batch(10, timeout_s=0.2, linger_s=0.01) for _ in range(5))


def test_nothing_is_read_before_a_partition_is_placed(bus: Bus, join: Join) -> None:
    bus.produce(b"a", b"b")
    consumer = join()
    wait_for_assignment(consumer)
    assert nothing_more(consumer)
    assert set(consumer.unplaced) == {bus.of(number) for number in range(3)}
    assert all(consumer.unplaced.values())


def test_records_come_in_order_with_all_they_carry_and_tombstones_are_kept(bus: Bus, join: Join) -> None:
    bus.produce(b"a", None, b"c")
    consumer = join()
    wait_for_assignment(consumer)
    place(consumer)
    records = read(consumer, 3)
    assert [(r.offset, r.key, r.value) for r in records] == [(0, b"0", b"a"), (1, b"1", None), (2, b"2", b"c")]
    assert all(abs(time.time() * 1_000 - r.timestamp_ms) < 120_000 for r in records)


def test_a_partition_is_read_from_the_position_it_is_placed_at_whatever_was_committed(bus: Bus, join: Join) -> None:
    bus.produce(*(b"%d" % n for n in range(10)))
    first = join()
    wait_for_assignment(first)
    place(first)
    read(first, 10)
    first.done({bus.of(0): 10})
    first.close()
    second = join()
    wait_for_assignment(second)
    place(second, p0=4)
    assert [r.offset for r in read(second, 6)] == [4, 5, 6, 7, 8, 9]


def test_a_batch_has_at_most_its_size_and_does_not_wait_to_be_full(bus: Bus, join: Join) -> None:
    bus.produce(*(b"%d" % n for n in range(25)))
    consumer = join()
    wait_for_assignment(consumer)
    place(consumer)
    sizes: list[int] = []

    def all_read() -> bool:
        sizes.append(len(consumer.poll_batch(10, timeout_s=0.2, linger_s=0.05)))
        return sum(sizes) == 25

    eventually(all_read, 30)
    assert max(sizes) <= 10
    bus.produce(b"last")
    started = time.monotonic()
    assert [r.value for r in read(consumer, 1, size=1_000)] == [b"last"]
    assert time.monotonic() - started < 5


def test_held_partitions_give_nothing_and_lose_nothing(bus: Bus, join: Join) -> None:
    bus.produce(*(b"%d" % n for n in range(5)))
    consumer = join()
    wait_for_assignment(consumer)
    place(consumer)
    read(consumer, 5)
    consumer.hold()
    bus.produce(*(b"%d" % n for n in range(5, 10)))
    consumer.keep_alive(1.0)
    consumer.release()
    assert [r.offset for r in read(consumer, 5)] == [5, 6, 7, 8, 9]


def test_a_partition_that_is_unplaced_and_placed_again_is_read_again(bus: Bus, join: Join) -> None:
    bus.produce(*(b"%d" % n for n in range(6)))
    consumer = join()
    wait_for_assignment(consumer)
    place(consumer)
    read(consumer, 6)
    consumer.unplace([bus.of(0)])
    assert not consumer.owns([bus.of(0)])
    assert nothing_more(consumer)
    assert consumer.unplaced == {bus.of(0): False}
    place(consumer, p0=2)
    assert [r.offset for r in read(consumer, 4)] == [2, 3, 4, 5]


def test_a_position_behind_the_end_is_refused_with_a_reason(bus: Bus, join: Join) -> None:
    bus.produce(b"a")
    consumer = join()
    wait_for_assignment(consumer)
    eventually(lambda: "truncated" in str(consumer.place(bus.of(0), 99)), 10)
    assert bus.of(0) in consumer.unplaced


def test_a_second_member_takes_over_partitions_and_they_are_placed_anew(bus: Bus, join: Join) -> None:
    bus.produce(b"a", partition=0)
    first = join()
    wait_for_assignment(first)
    place(first)
    second = join()
    wait_for_assignment(first, second)
    place(first)
    place(second)
    for number in range(3):
        bus.produce(b"new", partition=number)
    got: list[Record] = []

    def all_there() -> bool:
        for consumer in (first, second):
            got.extend(consumer.poll_batch(10, timeout_s=0.1, linger_s=0.01))
        return {r.partition for r in got if r.value == b"new"} == {0, 1, 2}

    eventually(all_there, 30)
    owner = {partition: n for n, share in enumerate(assigned(first, second)) for partition in share}
    assert len(owner) == 3


def test_the_lag_counts_what_lies_behind_the_position(bus: Bus, join: Join) -> None:
    bus.produce(*(b"%d" % n for n in range(8)))
    consumer = join()
    wait_for_assignment(consumer)
    place(consumer)
    read(consumer, 8)
    consumer.done({bus.of(0): 5})
    eventually(lambda: consumer.lag() == {bus.topic: 3}, 10)
    consumer.done({bus.of(0): 8})
    assert consumer.lag() == {bus.topic: 0}


def test_the_cluster_has_an_id(bus: Bus, join: Join) -> None:
    consumer = join()
    assert eventually(consumer.cluster, 30)


def test_a_missing_topic_is_trouble_until_it_is_there(kafka: str, topic_prefix: str, make_topics: MakeTopics) -> None:
    consumer = BusConsumer({"bootstrap.servers": kafka}, group=topic_prefix, topics=[f"{topic_prefix}late"])

    def looked() -> str | None:
        consumer.poll_batch(1, timeout_s=0.2, linger_s=0)
        return consumer.trouble

    try:
        eventually(lambda: "late" in str(looked()), 30)
        make_topics({"late": 1})
        eventually(lambda: looked() is None and consumer.unplaced, 60)
    finally:
        consumer.close()


def test_a_broker_that_cannot_be_reached_is_trouble_and_not_an_exception() -> None:
    consumer = BusConsumer({"bootstrap.servers": "127.0.0.1:1"}, group="g", topics=["t"])
    try:
        eventually(
            lambda: (
                consumer.poll_batch(1, timeout_s=0.2, linger_s=0),
                consumer.trouble == "no broker can be reached",
            )[1],
            30,
        )
    finally:
        consumer.close()


@pytest.mark.parametrize("config", [lambda kafka: consumer_config(kafka, "g"), producer_config])
def test_a_mock_cluster_inside_a_client_is_refused(config: Callable[..., object]) -> None:
    with pytest.raises(SettingError, match=r"test\.mock\.num\.brokers"):
        config({"bootstrap.servers": "x:1", "test.mock.num.brokers": "1"})
