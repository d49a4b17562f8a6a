"""A merge worker and a review desk on the tables of a profile, reached as people and programs reach them.

One world is shared by the tests of a module: each makes customers of its own, and tells only of those.
"""

import http.client
import itertools
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Producer

import customer_events as wire
import merge_worker.__main__
import review_desk.__main__
from rig import databases, topics
from rig.in_process import Answer, run_here
from rig.invariants import Told, told
from rig.processes import Program, eventually
from rig.world import World, as_record

PARTITIONS = {
    "merge-command": 2,
    "relink-ack": 1,
    "merge-outcome": 2,
    "merge-candidate": 1,
    "customer-created": 1,
    "customer-merged": wire.DEFAULT_STREAMS,
    "customer-alias": 1,
    "merge-quarantine": 1,
}
PACKAGES = ("merge_worker", "review_desk")
REFERENCE = "default"  # the reference store: its tables come from migrations, and it has no rows of its own
PROFILES = Path(__file__).resolve().parents[2] / "demo" / "customer_merge_demo" / "profiles"
TENANT = "default"
LIMIT_S = 60.0


@dataclass(slots=True, kw_only=True)
class ProfileWorld(World):
    """The world of a profile. `settings` of the worker and the desk come without their prefixes."""

    profile: str
    directory: Path
    worker_settings: Mapping[str, str] = field(default_factory=dict)
    desk_settings: Mapping[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def start(self) -> None:
        """Start `merge-worker run` and `review-desk run`, and wait until both are at work."""
        for argv in (["merge-worker", "run"], ["review-desk", "run"]):
            self.spawn(argv)
        for number in range(2):
            eventually(lambda: self.get("/readyz", program=number)[0] == HTTPStatus.OK, LIMIT_S, every_s=0.1)  # noqa: B023 - called at once

    def restart_worker(self) -> None:
        """Start `merge-worker run` again, in the place of the one that a test has killed."""
        self.spawn(["merge-worker", "run"])
        self.programs[0], self.programs[-1] = self.programs[-1], self.programs[0]

    def spawn(self, argv: Sequence[str], **more: str) -> Program:
        """Start a program on this world's servers; it ends with the world."""
        self.programs.append(Program(argv, {**self.env(), **more}, self.directory))
        return self.programs[-1]

    def env(self) -> dict[str, str]:
        """The environment of every service of this world."""
        return {
            **self.service_env("MERGE_WORKER", **{"PLAN": self.profile, **self.worker_settings}),
            **self.service_env("REVIEW_DESK", **{"PLAN": self.profile, **self.desk_settings}),
        }

    def worker(self, *arguments: str, commands: Iterable[Mapping[str, Any]] = ()) -> Answer:
        """Run a command of `merge-worker` to its end, in this process; `-` reads the commands."""
        given = "".join(json.dumps(one, default=str) + "\n" for one in commands)
        return run_here(merge_worker.__main__.main, arguments, self.env(), given)

    def desk(self, *arguments: str) -> Answer:
        """Run a command of `review-desk` to its end, in this process."""
        return run_here(review_desk.__main__.main, arguments, self.env())

    def command(self, type_: str = "MergeCustomers", **fields: Any) -> dict[str, Any]:
        """A command as `merge-worker submit` reads it, with an id of its own, from somebody who may merge."""
        return {
            "type": type_,
            "tenant_id": TENANT,
            "command_id": f"{type_}-{next(self._numbers)}",
            "requested_by": {"id": "ann", "roles": ["merge"]},
            "reason": "the same person",
            **fields,
        }

    def merge(self, winner_id: Any, *loser_ids: Any, **fields: Any) -> dict[str, Any]:
        """The command to merge."""
        winner = None if winner_id is None else str(winner_id)
        losers = [str(one) for one in loser_ids]
        return self.command(winner_id=winner, loser_ids=losers, **{"issued_at": datetime.now(UTC), **fields})

    def approved(self, *roots: Any) -> dict[str, Any]:
        """What a command needs that follows redirects: an approval, and the version of each root as it was reviewed."""
        versions = self.preview(self.merge(*roots))["versions"]
        return {"approvals": [{"by": "eve", "at": datetime.now(UTC)}], "expected_versions": versions}

    def submit(self, *commands: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Publish commands with `submit --wait`; their terminal outcomes by command id."""
        answer = self.worker("submit", "-", "--wait", "--timeout", str(LIMIT_S), commands=commands)
        outcomes = {outcome["command_id"]: outcome for outcome in answer.lines}
        assert outcomes.keys() == {one["command_id"] for one in commands}, answer.err
        return outcomes

    def outcome(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Publish one command; its terminal outcome."""
        return self.submit(command)[command["command_id"]]

    def merged(self, winner_id: Any, *loser_ids: Any, **fields: Any) -> dict[str, Any]:
        """Merge, and see that it is done; the outcome."""
        outcome = self.outcome(self.merge(winner_id, *loser_ids, **fields))
        assert outcome["type"] == "MergeCompleted", outcome
        return outcome

    def preview(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """What the command would do, as `merge-worker preview` says it."""
        answer = self.worker("preview", "-", "--json", commands=[command])
        assert answer.out, answer.err
        (shown,) = answer.json
        preview: dict[str, Any] = shown["preview"]
        return preview

    def value(self, statement: str, **values: Any) -> Any:
        """The one value of a query's one row."""
        ((value,),) = self.sql(statement, **values)
        return value

    def insert(self, table: str, **columns: Any) -> None:
        """Insert a row."""
        self.insert_returning(table, "1", **columns)

    def insert_returning(self, table: str, returned: str, **columns: Any) -> Any:
        """Insert a row; a value of it."""
        names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
        return self.value(f"INSERT INTO {table} ({names}) VALUES ({values}) RETURNING {returned}", **columns)

    def told(self, topic: str) -> list[Told]:
        """Everything on a topic as a read_committed reader sees it."""
        return told(self.bootstrap, self.prefix + topic)

    def produce(self, topic: str, *events: Any) -> None:
        """Publish events as another system does."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"})
        for event in events:
            value, headers = as_record(event)
            producer.produce(
                self.prefix + topic,
                value,
                key=wire.event_type(event).key(event).encode(),
                headers={name: text.encode() for name, text in headers.items()},
            )
        assert producer.flush(30) == 0

    def announced(self, merge_id: str) -> Any:
        """The one CustomerMerged of a merge, once it is on the bus."""
        (event,) = eventually(
            lambda: [
                one.event
                for one in self.told("customer-merged")
                if one.type == "CustomerMerged" and one.event.merge_id == merge_id
            ],
            LIMIT_S,
            every_s=0.2,
        )
        return event

    def get(self, path: str, *, program: int = 0) -> tuple[int, Mapping[str, str], Any]:
        """Ask the worker (or the program of that number) over HTTP: status, headers, the JSON document."""
        port = self.programs[program].wait_for(r'"http_port": (\d+)', LIMIT_S).group(1)
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=LIMIT_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), json.loads(answer.read())

    def close(self) -> None:
        """End the programs and let go of the database."""
        for program in self.programs:
            program.kill()
            print(program.tail())
        self.engine.dispose()


def make_world(profile: str, bootstrap: str, directory: Path, **settings: Any) -> ProfileWorld:
    """A world with the profile's tables and rows, and its services running. Close it with `end_world`."""
    stored = profile == REFERENCE
    packages = (*PACKAGES, "customer_merge_demo.store") if stored else PACKAGES
    url = databases.create(like=databases.migrated_template(packages))
    with psycopg.connect(url, autocommit=True) as connection:
        for script in () if stored else ("schema.sql", "seed.sql"):
            connection.execute((PROFILES / profile / script).read_bytes())
    prefix = f"p{uuid.uuid4().hex[:10]}."
    topics.create(bootstrap, {prefix + name: count for name, count in PARTITIONS.items()})
    world = ProfileWorld(
        profile=profile, database_url=url, bootstrap=bootstrap, prefix=prefix, directory=directory, **settings
    )
    world.start()
    return world


def end_world(world: ProfileWorld) -> None:
    """End the services, and remove the database and the topics."""
    world.close()
    databases.drop(world.database_url)
    topics.delete_all(world.bootstrap, world.prefix)
