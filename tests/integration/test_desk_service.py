"""The desk as a program: on a real Kafka and a real database, beside a real merge worker, and on the command line."""

import csv
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pytest

import customer_events as wire
from event_runtime import cloudevents
from review_desk.__main__ import main
from rig.invariants import CODEC, told
from rig.merge_world import PACKAGES, PARTITIONS, MergeWorld
from rig.processes import Program, eventually, service_env

TENANT = "default"
EMAIL = "planted.person@example.com"
NAME = "Planted Personname"
LIMIT_S = 90.0

TRUSTING = """
version: 1
name: trusting
automatic_approval: {trusted_sources: [shop]}
"""


class Answer(NamedTuple):
    """What a command wrote."""

    stdout: str
    stderr: str


class DeskWorld(MergeWorld):
    """A worker's world with a desk in it."""

    policy: Path | str = "default"

    def unfinished(self) -> dict[str, int]:
        """What is still to be done; the ends of topics do not say it, as a transactional relay leaves markers there."""
        unpublished = (
            "SELECT coalesce(sum(h.position - p.position), 0) AS n"
            " FROM {0}.outbox_heads h JOIN {0}.outbox_published p USING (stream)"
        )
        todo = {
            "commands in flight": self.sql("SELECT count(*) AS n FROM review.commands WHERE outcome IS NULL")[0].n,
            "desk's outbox": self.sql(unpublished.format("review"))[0].n,
            "worker's outbox": self.sql(unpublished.format("merge"))[0].n,
        }
        return {what: count for what, count in todo.items() if count}

    def desk_env(self) -> dict[str, str]:
        return service_env(
            "REVIEW_DESK",
            database=self.database_url,
            bootstrap=self.bootstrap,
            topic_prefix=self.prefix,
            POLICY=str(self.policy),
            RELINK_SYSTEMS='["crm", "helpdesk"]',
            KAFKA__SESSION_TIMEOUT_MS="6000",  # a killed desk is missed this soon
        )

    def desk(self, *, failpoints: str = "") -> Program:
        return self.spawn(["review-desk", "run"], {**self.desk_env(), "FAILPOINTS": failpoints})

    def ask(self, *arguments: str, status: int = 0) -> "Answer":
        """Run a command of the desk to its end, in this process: only its imports are spared."""
        out, err = io.StringIO(), io.StringIO()
        with patch.dict(os.environ, self.desk_env()), redirect_stdout(out), redirect_stderr(err):
            ended = main(arguments)
        assert ended == status, err.getvalue()
        assert "Traceback" not in err.getvalue()
        return Answer(stdout=out.getvalue(), stderr=err.getvalue())

    def cases(self, *arguments: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.ask("list", "--json", "--state", "all", *arguments).stdout)
        return found

    def states(self) -> list[str]:
        return sorted(row.state for row in self.sql("SELECT state FROM review.cases"))

    def person(self, *customer_ids: str, source: str = "shop") -> None:
        for customer_id in customer_ids:
            values = {"tenant": TENANT, "id": customer_id, "source": source, "name": NAME, "email": EMAIL}
            self.sql(
                "INSERT INTO store.customers (tenant_id, customer_id, source, full_name, family_name)"
                " VALUES (:tenant, :id, :source, :name, 'Personname')",
                **values,
            )
            self.sql(
                "INSERT INTO store.emails (tenant_id, customer_id, email, email_key, is_primary)"
                " VALUES (:tenant, :id, :email, :email, true)",
                **values,
            )

    def find(self, *pairs: tuple[str, str]) -> None:
        records = []
        for a, b in pairs:
            event = wire.MergeCandidateFound(
                tenant_id=TENANT,
                candidate_id=f"{a}+{b}",
                revision=1,
                members=(wire.Member(customer_id=a, version=1), wire.Member(customer_id=b, version=1)),
                pair=wire.CandidatePair(a=a, b=b),
                score=0.999,
                grade=wire.Grade.CERTAIN,
                evidence=(
                    wire.Evidence(field="email", level="exact", weight=12.0),
                    wire.Evidence(field="family_name", level="exact", weight=8.0),
                    wire.Evidence(field="city", level="different", weight=-2.0),
                ),
                model_version="m1",
                safe_to_automate=True,
                detected_at=datetime.now(UTC),
            )
            headers = cloudevents.headers(
                event_id=str(uuid.uuid4()),
                source="/test",
                type_="MergeCandidateFound",
                subject=event.candidate_id,
                time=datetime.now(UTC),
            )
            records.append((CODEC.encode(event), headers))
        self.produce_bytes("merge-candidate", records)

    def commands(self) -> list[wire.MergeCustomers | wire.MarkNotDuplicate | wire.RecommendMerge | wire.RemoveMerge]:
        return [one.event for one in told(self.bootstrap, self.prefix + "merge-command")]


@pytest.fixture
def world(  # noqa: PLR0917 - pytest hands fixtures over by name
    migrated: Callable[..., str],
    kafka: str,
    topic_prefix: str,
    make_topics: Callable[[Mapping[str, int]], dict[str, str]],
    spawn: Callable[[Sequence[str], Mapping[str, str] | None], Program],
    tmp_path: Path,
) -> Iterator[DeskWorld]:
    make_topics({**PARTITIONS, "merge-candidate": 3})
    url = migrated(*PACKAGES, "review_desk")
    world = DeskWorld(database_url=url, bootstrap=kafka, prefix=topic_prefix, spawn=spawn)
    world.policy = tmp_path / "trusting.yaml"
    world.policy.write_text(TRUSTING)
    yield world
    world.close()


def test_the_three_pairs_of_one_person_are_merged_one_after_the_other_through_kafka(world: DeskWorld):
    desk, worker = world.desk(), world.worker()
    people = [f"p{n}" for n in range(6)]
    for person in people:
        world.person(*(f"{person}-{record}" for record in "abc"))
    pairs = [(f"{p}-{x}", f"{p}-{y}") for p in people for x, y in (("a", "c"), ("b", "c"), ("a", "b"))]
    world.find(*pairs)

    eventually(lambda: world.states() == ["CLOSED"] * 6 + ["DONE"] * 12, LIMIT_S, explain=lambda: str(world.states()))
    evidence = world.promises()
    assert {one.type for one in evidence.outcomes} == {"MergeCompleted"}
    canonical = world.canonical()
    for person in people:
        roots = {canonical.get(f"{person}-{record}", (f"{person}-{record}", 0))[0] for record in "abc"}
        assert len(roots) == 1
    approved_by = {command.requested_by.id for command in world.commands()}
    assert approved_by == {"policy:trusting"}
    assert desk.stop() == 0
    assert worker.stop() == 0
    for planted in (EMAIL, NAME):
        assert planted not in desk.stderr
        assert planted not in desk.stdout


@pytest.mark.parametrize("failpoint", ["before_commit", "after_commit", "after_produce", "after_relay_commit"])
def test_a_desk_killed_at_any_step_sends_each_command_exactly_once(world: DeskWorld, failpoint: str):
    world.person("a", "b")
    killed = world.desk(failpoints=f"{failpoint}=crash")
    world.find(("a", "b"))
    assert killed.wait(LIMIT_S) != 0
    world.desk()
    eventually(lambda: world.states() == ["APPROVED"], LIMIT_S)
    (command,) = eventually(world.commands, LIMIT_S, every_s=0.3)
    assert isinstance(command, wire.MergeCustomers)
    eventually(
        lambda: (
            not world.sql(
                "SELECT FROM review.outbox_heads JOIN review.outbox_published p USING (stream)"
                " WHERE review.outbox_heads.position > p.position"
            )
        ),
        LIMIT_S,
    )
    assert len(world.commands()) == 1


def test_undecodable_bytes_are_quarantined_and_the_next_candidate_is_taken(world: DeskWorld):
    world.person("a", "b")
    world.produce_bytes("merge-candidate", [(b"\xffgarbage", {})])
    world.desk()
    world.find(("a", "b"))
    eventually(lambda: world.states() == ["APPROVED"], LIMIT_S)
    eventually(lambda: world.sql("SELECT FROM review.quarantine"), LIMIT_S)
    held = world.ask("quarantine", "list", "--json").stdout
    assert json.loads(held)["state"] == "HELD"


def test_people_work_through_the_list_on_the_command_line(world: DeskWorld):
    world.policy = "default"  # trusts nobody: everything waits
    world.person("a", "b", "c", "d")
    desk, worker = world.desk(), world.worker()
    world.find(("a", "b"), ("c", "d"))
    eventually(lambda: world.states() == ["OPEN", "OPEN"], LIMIT_S)

    listed = {case["candidate_id"]: case for case in world.cases()}
    case = listed["a+b"]
    assert case["reasons"] == [
        {
            "code": "NO_TRUSTED_IDENTIFIER",
            "message": "none is verified or from a trusted source, and equal on both sides",
        }
    ]
    assert "NO_TRUSTED_IDENTIFIER" in world.ask("list").stdout

    shown = world.ask("show", str(case["case"])).stdout
    for expected in ("family_name\texact\t+8.00", "city\tdifferent\t-2.00", EMAIL, "Preview: would merge", "emails"):
        assert expected in shown
    shown_json = json.loads(world.ask("show", "a+b", "--json").stdout)
    assert shown_json["preview"]["eligible"] is True
    assert shown_json["downstream_systems"] == ["crm", "helpdesk"]

    nobody = world.ask("approve", str(case["case"]), "--as", "tom", "--role", "recommend", status=1)
    assert "needs the role merge" in nobody.stderr
    world.ask("approve", str(case["case"]), "--as", "eve", "--role", "merge", "--winner", "b", "--reason", "checked")
    world.ask("reject", "c+d", "--as", "eve", "--reason", "father and son")
    eventually(lambda: world.states() == ["DONE", "REJECTED"], LIMIT_S)
    again = world.ask("approve", "a+b", status=1)
    assert "is DONE already" in again.stderr
    eventually(lambda: world.sql("SELECT FROM merge.not_duplicates"), LIMIT_S)
    decided = json.loads(world.ask("show", "c+d", "--json").stdout)["decisions"]
    assert [(made["decision"], made["decided_by"], made["reason"]) for made in decided] == [
        ("REJECTED", "eve", "father and son")
    ]
    world.find(("c", "d"))  # the same evidence again
    denied = world.ask("merge", "c", "d", "--as", "eve", status=1)
    assert "NOT_DUPLICATE_ASSERTED" in denied.stdout
    world.promises()
    for program in (desk, worker):
        assert EMAIL not in program.stderr
        assert program.stop() == 0


def test_people_find_customers_and_merge_recommend_and_remove_without_a_case(world: DeskWorld):
    world.person("a", "b", "c", "d")
    desk, worker = world.desk(), world.worker()
    found = json.loads(world.ask("search", "--email", EMAIL, "--json").stdout)
    assert {customer["customer_id"] for customer in found} == {"a", "b", "c", "d"}
    assert "no customer matches" in world.ask("search", "--name", "nobody", status=1).stderr
    assert world.ask("search", status=2).stderr.count("\n") == 1

    world.ask("merge", "a", "b", "--as", "eve", "--reason", "asked on the phone")
    eventually(lambda: world.canonical() == {"b": ("a", 1)}, LIMIT_S)
    account = json.loads(world.ask("account", "a", "--json").stdout)
    assert [merged["customer_id"] for merged in account["merged_accounts"]] == ["b"]
    assert "Merged accounts" in world.ask("account", "a").stdout
    assert "there is no customer x" in world.ask("account", "x", status=1).stderr
    assert "LOSER_PREVIOUSLY_MERGED" in world.ask("merge", "c", "b", status=1).stdout

    world.ask("recommend", "c", "d", "--as", "tom", "--role", "recommend")
    (request,) = eventually(lambda: json.loads(world.ask("requests", "--json").stdout), LIMIT_S, every_s=0.5)
    assert (request["status"], request["winner_id"], request["loser_ids"], request["eligible"]) == (
        "recommended", "c", ["d"], True,
    )  # fmt: skip
    (row,) = csv.DictReader(io.StringIO(world.ask("report", "--format", "csv").stdout))
    assert (row["winner"], row["losers"], row["eligible"], row["requested_by"]) == ("c", "d", "yes", "tom")
    assert "recommended" in world.ask("report").stdout
    world.ask("remove", "c", "d", "--as", "tom", "--role", "recommend")
    eventually(lambda: json.loads(world.ask("requests", "--json").stdout) == [], LIMIT_S, every_s=0.5)
    assert "no open request" in world.ask("remove", "c", "d", status=1).stderr
    world.promises()
    assert (desk.stop(), worker.stop()) == (0, 0)


def test_the_switch_pauses_a_running_desk_and_resuming_looks_at_what_waited(world: DeskWorld):
    world.person("a", "b")
    world.desk()
    world.ask("policy", "pause", "--as", "eve")
    assert json.loads(world.ask("policy", "show", "--json").stdout)["paused_by_switch"] is True
    world.find(("a", "b"))
    eventually(lambda: world.states() == ["OPEN"], LIMIT_S)
    assert "approved now: 1" in world.ask("policy", "resume", "--as", "eve").stderr
    eventually(lambda: len(world.commands()) == 1, LIMIT_S, every_s=0.3)


def test_a_wrong_policy_or_setting_stops_the_desk_with_one_line(world: DeskWorld, tmp_path: Path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 1\nname: wrong\nautomatic_approval: {grades: [SURE]}\n")
    checked = world.ask("policy", "check", str(wrong), status=1)
    assert "automatic_approval.grades.0" in checked.stderr
    assert checked.stderr.count("\n") == 1
    assert "is valid" in world.ask("policy", "check", str(world.policy)).stdout
    world.policy = wrong
    program = world.desk()
    assert program.wait() == 2
    assert program.stderr.strip().splitlines()[-1].startswith("review-desk: REVIEW_DESK_POLICY: policy ")
