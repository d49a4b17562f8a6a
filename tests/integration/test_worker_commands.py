"""The command line of the merge worker, as people and programs use it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from merge_worker.__main__ import main
from rig.in_process import Answer, run_here
from rig.merge_world import PACKAGES, TENANT, MergeWorld, merge


@pytest.fixture
def still_world(migrated: Callable[..., str], topic_prefix: str, spawn: Any) -> Iterator[MergeWorld]:
    """A world without a bus."""
    made = MergeWorld(database_url=migrated(*PACKAGES), bootstrap="127.0.0.1:1", prefix=topic_prefix, spawn=spawn)
    yield made
    made.close()


def cli(world: MergeWorld, *arguments: str, **settings: str) -> Answer:
    """Run a command of the worker to its end."""
    return run_here(main, arguments, world.env(**settings))


def _file(path: Path, *commands: Any) -> str:
    lines = [one if isinstance(one, str) else one.model_dump_json(exclude_defaults=True) for one in commands]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_submit_waits_for_each_outcome_and_everything_can_be_looked_up_audited_and_undone(
    world: MergeWorld, tmp_path: Path
) -> None:
    world.customers("a", "b", "c")
    world.worker()
    submitted = cli(world, "submit", _file(tmp_path / "one", merge("c1", "a", "b")), "--wait")
    assert submitted.out, submitted.err
    (outcome,) = [json.loads(line) for line in submitted.out.splitlines()]
    assert (submitted.status, outcome["type"], outcome["command_id"]) == (0, "MergeCompleted", "c1")

    world.customers("held")
    world.sql("UPDATE store.customers SET legal_hold = true WHERE customer_id = 'held'")
    refused = cli(world, "submit", _file(tmp_path / "two", merge("c3", "a", "held")), "--wait")
    assert refused.status == 1
    assert json.loads(refused.out)["errors"][0]["rule"] == "LEGAL_HOLD"
    assert "1 of 1 commands were refused" in refused.err

    status = json.loads(cli(world, "status", "b", "--tenant", TENANT, "--json").out)
    assert status["customer"]["canonical_id"] == "a"
    assert status["merges"][0]["merge_id"] == outcome["merge_id"]
    assert (
        json.loads(cli(world, "status", "c1", "--tenant", TENANT, "--json").out)["command"]["outcome"]
        == "MergeCompleted"
    )
    everything = json.loads(cli(world, "status", "--json").out)
    assert (everything["merges"], everything["commands"], everything["open_commands"]) == (1, 2, 0)
    assert "MergeCompleted" in cli(world, "status", "c1", "--tenant", TENANT).out
    nothing = cli(world, "status", "nobody", "--tenant", TENANT)
    assert (nothing.status, nothing.err.count("\n")) == (1, 1)

    for source in ("kafka", "database"):
        audit = cli(world, "audit", "verify", "--source", source, "--json")
        report = json.loads(audit.out)
        assert (audit.status, report["events"], report["compared"], report["problems"]) == (0, 1, True, [])
    assert cli(world, "verify", "--all").status == 0
    assert cli(world, "verify", outcome["merge_id"], "--json").status == 0

    undone = cli(world, "unmerge", outcome["merge_id"], "--wait")
    assert (undone.status, json.loads(undone.out)["kind"]) == (0, "UNMERGE")
    assert world.orders() == {"a": 1, "b": 1, "c": 1, "held": 1}
    assert cli(world, "audit", "verify").status == 0
    world.promises()


def test_an_audit_finds_a_map_that_was_changed_by_hand(world: MergeWorld) -> None:
    world.customers("a", "b", "c")
    world.produce(merge("c1", "a", "b"))
    world.worker()
    world.terminal("c1")
    world.sql("UPDATE merge.canonical SET canonical_id = 'c'")
    audit = cli(world, "audit", "verify", "--json")
    assert audit.status == 1
    assert json.loads(audit.out)["problems"] == ["shop:b: history says a (version 1), database c (version 1)"]
    assert cli(world, "verify", "--all").status == 1


def test_nothing_is_published_when_a_line_is_bad_unless_bad_lines_are_skipped(
    world: MergeWorld, tmp_path: Path
) -> None:
    file = _file(tmp_path / "f", merge("c1", "a", "b"), '{"winner_id": 7}', "", "not json")
    refused = cli(world, "submit", file)
    assert refused.status == 1
    assert "line 2: " in refused.err
    assert "line 4: not JSON" in refused.err
    assert "nothing was published: 2 bad of 3 commands" in refused.err
    assert len(world.unread()) == 0
    skipped = cli(world, "submit", file, "--skip-bad")
    assert skipped.status == 1
    assert "1 commands published" in skipped.err
    assert len(world.unread()) == 1


def test_a_file_that_is_not_utf_8_is_refused_in_one_line(still_world: MergeWorld, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b'{"command_id": "\xff"}\n')
    refused = cli(still_world, "submit", str(tmp_path / "f"))
    assert (refused.status, refused.err) == (1, f"merge-worker: {tmp_path / 'f'} is not UTF-8\n")


def test_preview_writes_nothing_and_lists_what_would_move_and_what_is_in_the_way(
    still_world: MergeWorld, tmp_path: Path
) -> None:
    world = still_world
    world.customers("a", "b", "held")
    world.sql("UPDATE store.customers SET legal_hold = true WHERE customer_id = 'held'")
    settings = {"RELINK__SYSTEMS": '["crm", "helpdesk"]'}
    fine = cli(world, "preview", _file(tmp_path / "fine", merge("c1", "a", "b")), "--json", **settings)
    (shown,) = json.loads(fine.out)
    assert (fine.status, shown["preview"]["eligible"]) == (0, True)
    assert shown["downstream_systems"] == ["crm", "helpdesk"]
    assert {move["table"]: move["rows"] for move in shown["preview"]["moves"] if move["rows"]} == {"store.orders": 1}
    held = cli(world, "preview", _file(tmp_path / "held", merge("c2", "a", "held")))
    assert held.status == 1
    assert "LEGAL_HOLD" in held.out
    assert world.orders() == {"a": 1, "b": 1, "held": 1}
    assert world.sql("SELECT FROM merge.inbox") == []


def test_plans_are_shown_and_checked_against_the_tables(still_world: MergeWorld) -> None:
    assert cli(still_world, "plan", "show").out.startswith("name: default\n")
    assert cli(still_world, "plan", "check").status == 0
    still_world.sql(
        "CREATE TABLE store.forgotten (tenant_id text, customer_id text,"
        " FOREIGN KEY (tenant_id, customer_id) REFERENCES store.customers)"
    )
    check = cli(still_world, "plan", "check", "--json")
    assert check.status == 1
    assert "store.forgotten" in json.loads(check.out)["faults"][0]
    missing = cli(still_world, "plan", "show", "nowhere.yaml")
    assert (missing.status, missing.err.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "settings", "answer"),
    [
        (["run"], {"AUTHORITY": "signature"}, (2, "MERGE_WORKER_SIGNATURE__KEYS")),
        (["run"], {"PLAN": "/nowhere/plan.yaml"}, (2, "MERGE_WORKER_PLAN")),
        (["run"], {"PLANN": "default"}, (2, "MERGE_WORKER_PLANN")),
        (["run"], {"TOPICS__MERGE_COMAND": "x"}, (2, "merge-comand")),
        (["run"], {"HTTP__PORT": "x"}, (2, "MERGE_WORKER_HTTP__PORT")),
        (["submit", "/nowhere"], {}, (1, "/nowhere")),
        (["verify", "no-such-merge"], {}, (1, "no merge no-such-merge")),
        (["unmerge", "no-such-merge"], {}, (1, "no merge no-such-merge")),
        (["verify"], {}, (2, "required")),
        (["nonsense"], {}, (2, "nonsense")),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    still_world: MergeWorld, arguments: list[str], settings: dict[str, str], answer: tuple[int, str]
) -> None:
    status, said = answer
    got = cli(still_world, *arguments, **settings)
    assert got.status == status
    assert got.err.count("\n") == 1
    assert said in got.err


def test_a_service_does_not_start_with_a_plan_that_does_not_cover_the_tables(still_world: MergeWorld) -> None:
    still_world.sql(
        "CREATE TABLE store.forgotten (tenant_id text, customer_id text,"
        " FOREIGN KEY (tenant_id, customer_id) REFERENCES store.customers)"
    )
    service = still_world.worker()
    assert service.wait() == 2
    last = service.stderr.splitlines()[-1]
    assert last.startswith("merge-worker: MERGE_WORKER_PLAN: ")
    assert "default.yaml:" in last
    assert ": store.forgotten (customer_id): foreign key" in last


def test_a_server_that_is_not_there_is_one_line_for_a_command_and_a_wait_for_the_service(
    still_world: MergeWorld,
) -> None:
    away = {"DATABASE__URL": "postgresql://nobody@127.0.0.1:1/none"}
    status = still_world.spawn(["merge-worker", "status"], still_world.env(**away))
    audit = still_world.spawn(["merge-worker", "audit", "verify"], still_world.env())
    service = still_world.spawn(["merge-worker", "run"], still_world.env(**away))
    assert status.wait() == 1
    assert status.stderr.count("\n") == 1
    assert audit.wait() == 1
    assert audit.stderr == "merge-worker: Kafka does not answer: _TRANSPORT\n"
    service.wait_for("database")
    assert service.stop() == 0
