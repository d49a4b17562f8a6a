"""The whole system on real servers, and a hand that kills, stops, cuts and restarts its parts while it works."""

import random
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

import customer_events as wire
from rig.merge_world import MergeWorld
from rig.processes import Program, eventually
from rig.topics import create

PACKAGES = (
    "merge_worker", "dedupe_detector", "review_desk",
    "customer_merge_demo.store", "customer_merge_demo.crm", "customer_merge_demo.loyalty",
)  # fmt: skip
PARTITIONS = {
    "customer-created": 2,
    "merge-candidate": 2,
    "merge-command": 4,
    "relink-ack": 2,
    "merge-outcome": 4,
    "customer-merged": wire.DEFAULT_STREAMS,
    "customer-alias": 2,
    "merge-quarantine": 1,
}
READ_BY = {
    "merge": ("merge-command", "relink-ack", "customer-created"),
    "detector": ("customer-created", "customer-merged", "merge-command"),
    "review": ("merge-candidate", "merge-outcome", "customer-merged"),
    "crm": ("customer-merged",),
    "loyalty": ("customer-merged",),
}
SYSTEMS = ("crm", "loyalty")
# A service that was away starts on two busy cores, joins its group and works through what waits.
CALM_LIMIT_S = 120.0
_TAKEN_OVER_LIMIT_S = 60.0
_PROGRESS_LIMIT_S = 60.0
_GROUP = {
    "KAFKA__GROUP_PROTOCOL": "classic",  # whose session a client may choose: a dead member is missed in two seconds
    "KAFKA__SESSION_TIMEOUT_MS": "2000",
    "KAFKA__HEARTBEAT_INTERVAL_MS": "500",
    "BATCH__MAX_COMMANDS": "4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How one process of the system is started; `schema` is where it keeps its books."""

    argv: tuple[str, ...]
    prefix: str
    schema: str
    settings: Mapping[str, str] = field(default_factory=dict)


_WORKER = {
    "LOOP__RECONCILE_S": "1",
    "LOOP__SCHEDULE_S": "0.5",
    "DEFERRAL__CUSTOMER_NOT_FOUND_S": "3",
    "DEFERRAL__RETRY_S": "1",
    "RELINK__SYSTEMS": '["crm", "loyalty"]',
}
_RELINKER = ("python", "-m", "customer_merge_demo.relinker")
PARTS = {
    "worker with a relay": Part(argv=("merge-worker", "run"), prefix="MERGE_WORKER", schema="merge", settings=_WORKER),
    "worker": Part(argv=("merge-worker", "run", "--no-relay"), prefix="MERGE_WORKER", schema="merge", settings=_WORKER),
    "relay": Part(argv=("merge-worker", "relay"), prefix="MERGE_WORKER", schema="merge", settings=_WORKER),
    "detector": Part(argv=("dedupe-detector", "run"), prefix="DEDUPE_DETECTOR", schema="detector"),
    "desk": Part(argv=("review-desk", "run"), prefix="REVIEW_DESK", schema="review"),
    "crm": Part(argv=(*_RELINKER, "crm"), prefix="RELINKER", schema="crm"),
    "loyalty": Part(argv=(*_RELINKER, "loyalty"), prefix="RELINKER", schema="loyalty"),
}


@dataclass(slots=True, kw_only=True)
class StormWorld(MergeWorld):
    """All services of one system, by the names of PARTS, and what can befall them."""

    desk_policy: str
    draw: random.Random
    running: dict[str, Program] = field(default_factory=dict)
    struck: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        MergeWorld.__post_init__(self)
        create(self.bootstrap, {self.prefix + name: count for name, count in PARTITIONS.items()})

    def start(self, *names: str) -> None:
        """Start parts."""
        for name in names:
            part = PARTS[name]
            settings = {**_GROUP, **part.settings, "GROUP": self.prefix + part.schema}
            if name == "desk":
                settings["POLICY"] = self.desk_policy
            self.running[name] = self.spawn(list(part.argv), self.service_env(part.prefix, **settings))

    def kill(self, *names: str) -> None:
        """SIGKILL all of them, then start them again."""
        for name in names:
            self.running[name].kill()
        self.start(*names)

    def restart(self, name: str) -> None:
        """SIGTERM, a clean end, and a new start."""
        # Before it has begun, a program ends by the signal like any other.
        self.running[name].wait_for("service_started", _PROGRESS_LIMIT_S)
        assert self.running[name].stop() == 0, self.running[name].tail()
        self.start(name)

    def freeze_member(self, name: str) -> None:
        """SIGSTOP until its group has gone on without it, then let it continue with what it had in hand."""
        group = self.prefix + PARTS[name].schema
        # Whoever was killed before may still be a member for the length of a session.
        expected = sum(PARTS[one].schema == PARTS[name].schema and one != "relay" for one in self.running)
        eventually(lambda: self._members(group) == expected, _TAKEN_OVER_LIMIT_S)
        self._while_frozen(name, lambda: self._members(group) < expected)

    def freeze_relay(self) -> None:
        """SIGSTOP whoever holds the lease of the worker's relay until the other one has taken it over."""
        holder = eventually(self._relay_holder, _TAKEN_OVER_LIMIT_S, explain=self.unfinished)
        term = self._relay_term()
        self._while_frozen(holder, lambda: self._relay_term() > term)

    def cut(self, *applications: str) -> None:
        """Terminate the PostgreSQL backends of these applications, or of all services."""
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name <> '' AND (application_name = ANY(:names) OR :all)",
            names=list(applications),
            all=not applications,
        )

    def read(self) -> int:
        """How far the workers have read the commands."""
        (row,) = self.sql(
            "SELECT coalesce(sum(next_offset), 0) AS n FROM merge.positions WHERE topic = :topic",
            topic=f"{self.prefix}merge-command",
        )
        return int(row.n)

    def strike(self, blow: tuple[str, ...]) -> None:
        """One misfortune: what happens, and to whom."""
        what, *names = blow
        self.struck.append(" ".join(blow))
        print(f"storm: {self.struck[-1]}")
        match what:
            case "kill":
                self.kill(*names)
            case "restart":
                self.restart(*names)
            case "freeze":
                self.freeze_member(*names)
            case "freeze the relay":
                self.freeze_relay()
            case _:
                self.cut(*names)

    def wait_for_progress(self, records: int) -> None:
        """Wait until the workers have read on by this many records."""
        goal = self.read() + records
        eventually(lambda: self.read() >= goal, _PROGRESS_LIMIT_S, explain=self.unfinished)

    def calm(self) -> None:
        """Wait until nothing anywhere is on its way: the same books before and after a look that finds nothing."""

        def is_over() -> bool:
            before = self._books()
            return not self._moving() and before == self._books()

        eventually(is_over, CALM_LIMIT_S, every_s=0.3, explain=self.unfinished)

    def unfinished(self) -> str:
        """What is on its way, and what has happened so far."""
        return "\n".join([*self._moving(), f"struck: {self.struck}"])

    def _moving(self) -> list[str]:
        moving = [
            f"{schema} has {row.n} events to publish"
            for schema in READ_BY
            for row in self.sql(
                f"SELECT coalesce(sum(h.position - p.position), 0) AS n FROM {schema}.outbox_heads h"
                f" JOIN {schema}.outbox_published p USING (stream)"
            )
            if row.n
        ]
        (open_claims,) = self.sql("SELECT count(*) AS n FROM merge.inbox WHERE outcome_id IS NULL")
        if open_claims.n:
            moving.append(f"{open_claims.n} commands have no outcome")
        return moving or self._behind()

    def _behind(self) -> list[str]:
        behind = []
        bus = self._bus()
        for topic in sorted({topic for topics in READ_BY.values() for topic in topics}):
            for partition in range(PARTITIONS[topic]):
                name = self.prefix + topic
                _, end = bus.get_watermark_offsets(TopicPartition(name, partition), timeout=30)
                behind += [
                    f"{schema} has read {name}/{partition} up to {at} of {end}"
                    for schema, topics in READ_BY.items()
                    if topic in topics and (at := self._position(schema, name, partition)) < end
                ]
        return behind

    def _position(self, schema: str, topic: str, partition: int) -> int:
        rows = self.sql(
            f"SELECT next_offset FROM {schema}.positions WHERE topic = :topic AND partition = :partition",
            topic=topic,
            partition=partition,
        )
        return rows[0].next_offset if rows else 0

    def _books(self) -> list[Any]:
        return [
            tuple(row)
            for schema in READ_BY
            for row in self.sql(f"SELECT stream, position FROM {schema}.outbox_heads ORDER BY stream")
        ]

    def _members(self, group: str) -> int:
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        return len(admin.describe_consumer_groups([group])[group].result(30).members)

    def _relay_term(self) -> int:
        rows = self.sql("SELECT token FROM merge.relay_lease")
        return rows[0].token if rows else 0

    def _relay_holder(self) -> str | None:
        """Who of those that run says that the present term is theirs; None while the last holder was killed."""
        elected = f'"schema": "merge", "slot": 0, "term": {self._relay_term()}, "event": "relay_elected"'
        return next((name for name in ("worker with a relay", "relay") if elected in self.running[name].stderr), None)

    def _while_frozen(self, name: str, until: Callable[[], bool]) -> None:
        program = self.running[name]
        program.signal(signal.SIGSTOP)
        try:
            eventually(until, _TAKEN_OVER_LIMIT_S, explain=self.unfinished)
        finally:
            program.signal(signal.SIGCONT)


def shuffled(draw: random.Random, things: Iterable[Any]) -> list[Any]:
    """The same things in an order of the seed's."""
    ordered = list(things)
    draw.shuffle(ordered)
    return ordered
