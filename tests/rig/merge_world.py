"""What one test of the merge worker needs: a database with the reference store, topics, workers, a producer."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

import customer_events as wire
from event_runtime.bus_config import is_passing
from rig.fixtures import Spawn
from rig.invariants import TERMINAL, Evidence, Told, assert_promises, told
from rig.processes import Program, eventually
from rig.world import World, as_record

TENANT = "shop"
PARTITIONS = {
    "merge-command": 4,
    "relink-ack": 2,
    "customer-created": 2,
    "merge-outcome": 4,
    "customer-merged": wire.DEFAULT_STREAMS,
    "customer-alias": 2,
    "merge-quarantine": 1,
}
PACKAGES = ("merge_worker", "customer_merge_demo.store")
# A worker that starts on two busy cores, joins its group and works through what waits.
REST_LIMIT_S = 90.0


@dataclass(slots=True, kw_only=True)
class MergeWorld(World):
    """The world of one test."""

    spawn: Spawn
    _reader: Consumer | None = None

    def env(self, **settings: str) -> dict[str, str]:
        """The worker's environment; `settings` without the prefix."""
        return self.service_env("MERGE_WORKER", **settings)

    def worker(self, *arguments: str, failpoints: str = "", **settings: str) -> Program:
        """Start `merge-worker run`."""
        environment = {**self.env(**settings), "FAILPOINTS": failpoints}
        return self.spawn(["merge-worker", "run", *arguments], environment)

    def relay(self, failpoints: str = "") -> Program:
        """Start `merge-worker relay`."""
        return self.spawn(["merge-worker", "relay"], {**self.env(), "FAILPOINTS": failpoints})

    def run(self, *arguments: str) -> Program:
        """Run a command of the worker to its end."""
        program = self.spawn(["merge-worker", *arguments], self.env())
        program.wait()
        return program

    def customers(self, *customer_ids: str, tenant_id: str = TENANT) -> None:
        """Insert customers who differ in nothing that a rule looks at; each has one order."""
        for customer_id in customer_ids:
            self.sql(
                "INSERT INTO store.customers (tenant_id, customer_id, full_name)"
                " VALUES (:tenant_id, :customer_id, :name)",
                tenant_id=tenant_id,
                customer_id=customer_id,
                name=f"Name of {customer_id}",
            )
            self.order(customer_id, tenant_id=tenant_id)

    def order(self, customer_id: str, *, tenant_id: str = TENANT) -> None:
        """Insert an order of a customer."""
        self.sql(
            "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
            " VALUES (:tenant_id, :customer_id, :number, 'OPEN', 100)",
            tenant_id=tenant_id,
            customer_id=customer_id,
            number=uuid.uuid4().hex,
        )

    def orders(self) -> dict[str, int]:
        """How many orders each customer has."""
        rows = self.sql("SELECT customer_id, count(*) AS orders FROM store.orders GROUP BY customer_id")
        return {row.customer_id: row.orders for row in rows}

    def canonical(self) -> dict[str, tuple[str, int]]:
        """The identity map, of ids that were ever changed."""
        rows = self.sql("SELECT customer_id, canonical_id, version FROM merge.canonical")
        return {row.customer_id: (row.canonical_id, row.version) for row in rows}

    def produce(self, *events: Any, partition: int = -1, topic: str = "merge-command") -> None:
        """Publish commands, or other events, in order, from a producer of their own."""
        self.produce_bytes(topic, map(as_record, events), partition)

    def produce_bytes(
        self, topic: str, records: Iterable[tuple[bytes, Mapping[str, str]]], partition: int = -1
    ) -> None:
        """Publish records as they are."""
        most = {"message.max.bytes": 1_048_000}  # what the broker takes
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random", **most})
        for value, headers in records:
            producer.produce(
                self.prefix + topic,
                value,
                partition=partition,
                headers={name: text.encode() for name, text in headers.items()},
            )
        assert producer.flush(30) == 0

    def outcomes(self) -> list[Told]:
        """Everything on merge-outcome as a read_committed reader sees it."""
        return told(self.bootstrap, self.prefix + "merge-outcome")

    def terminal(self, command_id: str, *, tenant_id: str = TENANT) -> Any:
        """The one terminal outcome of a command, once it is published."""
        ended = "SELECT outcome_id FROM merge.inbox WHERE tenant_id = :t AND message_id = :c AND outcome_id IS NOT NULL"
        eventually(lambda: self.sql(ended, t=tenant_id, c=command_id), REST_LIMIT_S, every_s=0.1)
        eventually(self._all_is_published, REST_LIMIT_S, every_s=0.1)
        (stored,) = self.sql(ended, t=tenant_id, c=command_id)
        found = {
            one.event_id: one.event
            for one in self.outcomes()
            if one.type in TERMINAL and (one.event.tenant_id, one.event.command_id) == (tenant_id, command_id)
        }
        assert list(found) == [stored.outcome_id]
        return found[stored.outcome_id]

    def notices(self, command_id: str) -> list[Any]:
        """The notices about a command that are published."""
        return [one.event for one in self.outcomes() if one.type not in TERMINAL and one.event.command_id == command_id]

    def rest(self) -> None:
        """Wait until every record is consumed and every outbox row published."""
        # What the worker has yet to publish is cheap to ask for; what it has yet to read is not.
        eventually(
            lambda: self._all_is_published() and not self.unread() and self._all_is_published(),
            REST_LIMIT_S,
            every_s=0.25,
            explain=self._unfinished,
        )

    def unread(self) -> list[str]:
        """The partitions in which the worker still has records to read; markers of transactions are none."""
        done = {
            (row.topic, row.partition): row.next_offset
            for row in self.sql("SELECT topic, partition, next_offset FROM merge.positions")
        }
        places = [
            TopicPartition(self.prefix + topic, partition, done.get((self.prefix + topic, partition), 0))
            for topic in ("merge-command", "relink-ack", "customer-created")
            for partition in range(PARTITIONS[topic])
        ]
        return [f"{place.topic}/{place.partition} from {place.offset}" for place in places if self._has_record(place)]

    def promises(self) -> Evidence:
        """Wait for rest, then assert I1 to I5."""
        self.rest()
        return assert_promises(self.database_url, self.bootstrap, self.prefix)

    def close(self) -> None:
        """Let go of database and bus."""
        self.engine.dispose()
        if self._reader is not None:
            self._reader.close()

    def _bus(self) -> Consumer:
        if self._reader is None:
            self._reader = Consumer(
                {
                    "bootstrap.servers": self.bootstrap,
                    "group.id": "test-lag",  # never joined: partitions are assigned by hand
                    "isolation.level": "read_committed",
                    "enable.partition.eof": True,
                    "fetch.wait.max.ms": 10,
                }
            )
        return self._reader

    def _all_is_published(self) -> bool:
        (row,) = self.sql(
            "SELECT sum(h.position - p.position) AS rows"
            " FROM merge.outbox_heads h JOIN merge.outbox_published p USING (stream)"
        )
        return int(row.rows) == 0

    def _has_record(self, place: TopicPartition) -> bool:
        bus = self._bus()
        try:
            _, end = bus.get_watermark_offsets(place, timeout=30)
        except KafkaException as fault:
            # A partition made a moment ago has no leader that knows of it, and no record.
            if not is_passing(fault.args[0]):
                raise
            return False
        if place.offset >= end:
            return False
        bus.assign([place])
        message = bus.poll(30)
        assert message is not None
        return message.error() is None

    def _unfinished(self) -> str:
        return f"unread: {self.unread()}; all is published: {self._all_is_published()}"


def merge(command_id: str, winner_id: str | None, *loser_ids: str, **more: Any) -> wire.MergeCustomers:
    """A command to merge, from somebody who may."""
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "command_id": command_id,
        "winner_id": winner_id,
        "loser_ids": loser_ids,
        "requested_by": wire.Actor(id="ann", roles=("merge",)),
        "reason": "the same person",
        "issued_at": datetime(2025, 3, 1, 12, tzinfo=UTC),
    }
    return wire.MergeCustomers(**(fields | more))


def convert(command_id: str, customer_id: str, *, role: str = "merge") -> wire.ConvertCustomer:
    """A command to make an organisation of a customer, from somebody who may."""
    return wire.ConvertCustomer(
        tenant_id=TENANT,
        command_id=command_id,
        customer_id=customer_id,
        to_type=wire.CustomerType.ORGANISATION,
        requested_by=wire.Actor(id="ann", roles=(role,)),
        reason="a shop",
    )


def not_duplicate(command_id: str, *customer_ids: str, withdrawn: bool = False) -> wire.MarkNotDuplicate:
    """An assertion that customers are different people, from somebody who may make it."""
    return wire.MarkNotDuplicate(
        tenant_id=TENANT,
        command_id=command_id,
        customer_ids=customer_ids,
        withdrawn=withdrawn,
        requested_by=wire.Actor(id="ann", roles=("merge",)),
        reason="twins",
    )
