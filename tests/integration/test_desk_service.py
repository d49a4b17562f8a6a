"""The desk as a program: on a real Kafka and a real database, beside a real merge worker, and on the command line."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import customer_events as wire
from rig.desk_world import EMAIL, NAME, PACKAGES, PARTITIONS, TRUSTING, DeskWorld
from rig.fixtures import MakeTopics, Migrated, Spawn
from rig.processes import eventually

LIMIT_S = 90.0


@pytest.fixture
def world(  # noqa: PLR0917 - pytest hands fixtures over by name
    migrated: Migrated,
    kafka: str,
    topic_prefix: str,
    make_topics: MakeTopics,
    spawn: Spawn,
    tmp_path: Path,
) -> Iterator[DeskWorld]:
    make_topics(PARTITIONS)
    url = migrated(*PACKAGES)
    world = DeskWorld(database_url=url, bootstrap=kafka, prefix=topic_prefix, spawn=spawn)
    world.policy = tmp_path / "trusting.yaml"
    world.policy.write_text(TRUSTING)
    yield world
    world.close()


def test_the_three_pairs_of_one_person_are_merged_one_after_the_other_through_kafka(world: DeskWorld) -> None:
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
def test_a_desk_killed_at_any_step_sends_each_command_exactly_once(world: DeskWorld, failpoint: str) -> None:
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


def test_undecodable_bytes_are_quarantined_and_the_next_candidate_is_taken(world: DeskWorld) -> None:
    world.person("a", "b")
    world.produce_bytes("merge-candidate", [(b"\xffgarbage", {})])
    world.desk()
    world.find(("a", "b"))
    eventually(lambda: world.states() == ["APPROVED"], LIMIT_S)
    eventually(lambda: world.sql("SELECT FROM review.quarantine"), LIMIT_S)
    held = world.ask("quarantine", "list", "--json").out
    assert json.loads(held)["state"] == "HELD"


def test_people_work_through_the_list_on_the_command_line(world: DeskWorld, tmp_path: Path) -> None:
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
    assert "NO_TRUSTED_IDENTIFIER" in world.ask("list").out

    drawing = tmp_path / "why.svg"
    shown = world.ask("show", str(case["case"]), "--svg", str(drawing)).out
    assert shown.startswith(
        "Almost certainly one person (99.90 %): same e-mail address and family name; against it: another city."
    )
    for expected in ("family name\texact\t+8.00", "city\tdifferent\t-2.00", EMAIL, "Preview: would merge", "emails"):
        assert expected in shown
    assert "match probability 99.90 %" in drawing.read_text()
    assert EMAIL not in drawing.read_text()
    shown_json = json.loads(world.ask("show", "a+b", "--json").out)
    assert shown_json["preview"]["eligible"] is True
    assert shown.startswith(shown_json["sentence"])
    assert shown_json["downstream_systems"] == ["crm", "helpdesk"]

    nobody = world.ask("approve", str(case["case"]), "--as", "tom", "--role", "recommend", status=1)
    assert "needs the role merge" in nobody.err
    world.ask("approve", str(case["case"]), "--as", "eve", "--role", "merge", "--winner", "b", "--reason", "checked")
    world.ask("reject", "c+d", "--as", "eve", "--reason", "father and son")
    eventually(lambda: world.states() == ["DONE", "REJECTED"], LIMIT_S)
    again = world.ask("approve", "a+b", status=1)
    assert "is DONE already" in again.err
    eventually(lambda: world.sql("SELECT FROM merge.not_duplicates"), LIMIT_S)
    decided = json.loads(world.ask("show", "c+d", "--json").out)["decisions"]
    assert [(made["decision"], made["decided_by"], made["reason"]) for made in decided] == [
        ("REJECTED", "eve", "father and son")
    ]
    world.find(("c", "d"))  # the same evidence again
    denied = world.ask("merge", "c", "d", "--as", "eve", status=1)
    assert "NOT_DUPLICATE_ASSERTED" in denied.out
    world.promises()
    for program in (desk, worker):
        assert EMAIL not in program.stderr
        assert program.stop() == 0


def test_people_find_customers_and_merge_recommend_and_remove_without_a_case(world: DeskWorld) -> None:
    world.person("a", "b", "c", "d")
    desk, worker = world.desk(), world.worker()
    found = json.loads(world.ask("search", "--email", EMAIL, "--json").out)
    assert {customer["customer_id"] for customer in found} == {"a", "b", "c", "d"}
    assert "no customer matches" in world.ask("search", "--name", "nobody", status=1).err
    assert world.ask("search", status=2).err.count("\n") == 1

    world.ask("merge", "a", "b", "--as", "eve", "--reason", "asked on the phone")
    eventually(lambda: world.canonical() == {"b": ("a", 1)}, LIMIT_S)
    account = json.loads(world.ask("account", "a", "--json").out)
    assert [merged["customer_id"] for merged in account["merged_accounts"]] == ["b"]
    assert "Merged accounts" in world.ask("account", "a").out
    assert "there is no customer x" in world.ask("account", "x", status=1).err
    assert "LOSER_PREVIOUSLY_MERGED" in world.ask("merge", "c", "b", status=1).out

    world.ask("recommend", "c", "d", "--as", "tom", "--role", "recommend")
    (request,) = eventually(lambda: json.loads(world.ask("requests", "--json").out), LIMIT_S, every_s=0.5)
    assert (request["status"], request["winner_id"], request["loser_ids"], request["eligible"]) == (
        "recommended", "c", ["d"], True,
    )  # fmt: skip
    (row,) = csv.DictReader(io.StringIO(world.ask("report", "--format", "csv").out))
    assert (row["winner"], row["losers"], row["eligible"], row["requested_by"]) == ("c", "d", "yes", "tom")
    assert "recommended" in world.ask("report").out
    world.ask("remove", "c", "d", "--as", "tom", "--role", "recommend")
    eventually(lambda: json.loads(world.ask("requests", "--json").out) == [], LIMIT_S, every_s=0.5)
    assert "no open request" in world.ask("remove", "c", "d", status=1).err
    world.promises()
    assert (desk.stop(), worker.stop()) == (0, 0)


def test_the_switch_pauses_a_running_desk_and_resuming_looks_at_what_waited(world: DeskWorld) -> None:
    world.person("a", "b")
    world.desk()
    world.ask("policy", "pause", "--as", "eve")
    assert json.loads(world.ask("policy", "show", "--json").out)["paused_by_switch"] is True
    world.find(("a", "b"))
    eventually(lambda: world.states() == ["OPEN"], LIMIT_S)
    assert "approved now: 1" in world.ask("policy", "resume", "--as", "eve").err
    eventually(lambda: len(world.commands()) == 1, LIMIT_S, every_s=0.3)


def test_a_wrong_policy_or_setting_stops_the_desk_with_one_line(world: DeskWorld, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 1\nname: wrong\nautomatic_approval: {grades: [SURE]}\n")
    checked = world.ask("policy", "check", str(wrong), status=1)
    assert "automatic_approval.grades.0" in checked.err
    assert checked.err.count("\n") == 1
    assert "is valid" in world.ask("policy", "check", str(world.policy)).out
    world.policy = wrong
    program = world.desk()
    assert program.wait() == 2
    assert program.stderr.strip().splitlines()[-1].startswith("review-desk: REVIEW_DESK_POLICY: policy ")
