"""What one test of the detector needs: a migrated database, topics, detectors, a producer, and what was told."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Producer

import customer_events as wire
from rig.fixtures import Spawn
from rig.invariants import CODEC
from rig.processes import Program, eventually
from rig.topics import create, read_topic
from rig.world import World

TENANT = "shop"
PARTITIONS = {
    "customer-created": 4,
    "customer-merged": 2,
    "merge-command": 2,
    "merge-candidate": 4,
    "merge-quarantine": 1,
}
PACKAGES = ("dedupe_detector",)
# A detector that starts on two busy cores, joins its group and works through what waits.
REST_LIMIT_S = 120.0
_CONSUMED = ("customer-created", "customer-merged", "merge-command")


@dataclass(slots=True, kw_only=True)
class DetectorWorld(World):
    """The world of one test."""

    spawn: Spawn
    produced: int = 0

    def __post_init__(self) -> None:
        World.__post_init__(self)
        create(self.bootstrap, {self.prefix + name: count for name, count in PARTITIONS.items()})

    def env(self, **settings: str) -> dict[str, str]:
        """The detector's environment; `settings` without the prefix."""
        return self.service_env("DEDUPE_DETECTOR", **settings)

    def detector(self, *arguments: str, failpoints: str = "", **settings: str) -> Program:
        """Start `dedupe-detector run`."""
        environment = {**self.env(**settings), "FAILPOINTS": failpoints}
        return self.spawn(["dedupe-detector", "run", *arguments], environment)

    def run(self, *arguments: str) -> Program:
        """Run a command of the detector to its end."""
        program = self.spawn(["dedupe-detector", *arguments], self.env())
        program.wait()
        return program

    def produce(self, topic: str, *events: Any) -> None:
        """Publish events to a topic, spread over its partitions by key."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"})
        for event in events:
            key = wire.CATALOGUE[type(event).__name__].key(event)
            producer.produce(self.prefix + topic, CODEC.encode(event), key=key.encode())
            self.produced += 1
        assert producer.flush(30) == 0

    def produce_bytes(self, topic: str, value: bytes) -> None:
        """Publish a record as it is."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(self.prefix + topic, value)
        self.produced += 1
        assert producer.flush(30) == 0

    def customers(self, *events: Any) -> None:
        """Publish customer events."""
        self.produce("customer-created", *events)

    def rest(self) -> None:
        """Wait until every record is handled and everything in the outbox is published."""

        def handled() -> bool:
            rows = self.sql("SELECT coalesce(sum(next_offset), 0) AS n FROM detector.positions")
            return int(rows[0].n) >= self.produced

        def published() -> bool:
            behind = self.sql(
                "SELECT count(*) AS n FROM detector.outbox_heads h JOIN detector.outbox_published p USING (stream)"
                " WHERE h.position <> p.position"
            )
            return int(behind[0].n) == 0

        eventually(handled, REST_LIMIT_S)
        eventually(published, REST_LIMIT_S)

    def told(self) -> list[Any]:
        """Everything on merge-candidate as a read_committed reader sees it."""
        messages = read_topic(self.bootstrap, self.prefix + "merge-candidate")
        return [CODEC.decode(message.value() or b"") for message in messages]

    def found(self) -> list[wire.MergeCandidateFound]:
        """The candidates among them."""
        return [event for event in self.told() if isinstance(event, wire.MergeCandidateFound)]

    def withdrawn(self) -> list[wire.MergeCandidateWithdrawn]:
        """The withdrawals among them."""
        return [event for event in self.told() if isinstance(event, wire.MergeCandidateWithdrawn)]


def created(customer_id: str, *, tenant: str = TENANT, version: int = 1, **attributes: Any) -> wire.CustomerCreated:
    """A customer event."""
    return wire.CustomerCreated(
        tenant_id=tenant,
        customer_id=customer_id,
        version=version,
        occurred_at=datetime.now(UTC),
        source="web",
        attributes=wire.Attributes(**attributes),
    )


def updated(customer_id: str, *, version: int, **attributes: Any) -> wire.CustomerUpdated:
    """A changed customer."""
    return wire.CustomerUpdated(
        tenant_id=TENANT,
        customer_id=customer_id,
        version=version,
        occurred_at=datetime.now(UTC),
        source="web",
        attributes=wire.Attributes(**attributes),
    )


def erased(customer_id: str, *, version: int) -> wire.CustomerErased:
    """An erased customer."""
    return wire.CustomerErased(
        tenant_id=TENANT, customer_id=customer_id, version=version, occurred_at=datetime.now(UTC)
    )


def not_duplicate(*customer_ids: str, withdrawn: bool = False) -> wire.MarkNotDuplicate:
    """Somebody says that these are different people."""
    return wire.MarkNotDuplicate(
        tenant_id=TENANT,
        command_id="n1",
        customer_ids=customer_ids,
        withdrawn=withdrawn,
        requested_by=wire.Actor(id="sam", roles=("merge",)),
        reason="two people",
    )


def merged(winner: str, loser: str, *, version: int = 1) -> wire.CustomerMerged:
    """The worker says that it has merged two customers."""
    return wire.CustomerMerged(
        tenant_id=TENANT,
        merge_id="m1",
        command_id="c1",
        winner=wire.VersionedId(id=winner, version=2),
        losers=(wire.MergedLoser(id=loser, version=2, disposition=wire.Disposition.LINK),),
        redirects=(wire.Redirect(from_=loser, direct_to=winner, canonical=winner, version=version),),
        rows=wire.RowsState.COMPLETE,
        actor="sam",
        reason="test",
        policy_version="1",
        merged_at=datetime.now(UTC),
    )


def person(number: int) -> dict[str, Any]:
    """Attributes of a person like no other of another number: every value drawn at random from the number."""
    draw = random.Random(number)  # noqa: S311 - test data, the same at each run

    def word(syllables: int) -> str:
        return "".join(draw.choice("bdfgklmnprstvz") + draw.choice("aeiou") for _ in range(syllables))

    return {
        "given_name": word(3).title(),
        "family_name": word(4).title(),
        "email": f"{word(5)}@{word(3)}.example.org",
        "phone": f"+1-{draw.randint(201, 989)}-{draw.randint(201, 989)}-{draw.randint(0, 9999):04d}",
        "date_of_birth": f"{draw.randint(1930, 2005)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}",
        "street": f"{draw.randint(1, 9999)} {word(4).title()} Street",
        "city": word(4).title(),
        "postal_code": f"{draw.randint(10000, 99999)}",
        "country": "US",
    }
