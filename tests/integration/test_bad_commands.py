"""Commands that nobody should send: each gets one clear answer, and no customer is touched."""

import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from merge_worker.__main__ import main
from rig.customer_rows import contents
from rig.in_process import run_here
from rig.merge_world import TENANT, MergeWorld, merge

SQL = "'; DROP TABLE store.customers; --"
SQL_AS_PATTERN = "%(merge_ids)s {0} $1 \\'); DELETE FROM merge.outbox; --"


@pytest.fixture
def full_world(world: MergeWorld) -> MergeWorld:
    world.customers("a", "b", "c")
    world.customers("a", "z", tenant_id="elsewhere")
    return world


def _store(world: MergeWorld) -> dict[str, list[str]]:
    url = world.engine.url
    engine = create_engine(url)
    with engine.connect() as connection:
        found = contents(connection, but=())
    engine.dispose()
    return found


COMMAND = {"winner_id": "a", "loser_ids": ["b"], "requested_by": {"id": "test", "roles": ["merge"]}, "reason": "test"}


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"losers": ["b"]}, "line 1: losers: no such field; did you mean loser_ids?"),
        ({"loser_ids": []}, "line 1: loser_ids: Tuple should have at least 1 item"),
        ({"loser_ids": "b"}, "line 1: loser_ids: Input should be a valid array"),
        ({"winner_id": 5}, "line 1: winner_id: Input should be a valid string"),
        ({"loser_ids": [str(n) for n in range(10_001)]}, "line 1: loser_ids: Tuple should have at most 10000 items"),
        ({"winner_id": "x" * 900_000}, "line 1: winner_id: String should have at most 200 characters"),
        ({"reason": "x" * 900_000}, "line 1: reason: String should have at most 2000 characters"),
        ({"reason": "x" * 1_100_000}, "line 1: longer than 1000000 characters"),
        ({"winner_id": "a\u0000"}, "line 1: winner_id: String should match pattern"),
        ({"not_before": "soon"}, "line 1: not_before: Input should be a valid datetime"),
        ({"requested_by": "me"}, "line 1: requested_by: Input should be an object"),
    ],
    ids=lambda value: value[8:40] if isinstance(value, str) else "",
)
def test_a_line_that_is_no_command_is_named_in_one_line_and_nothing_is_published(
    tmp_path: Path, change: dict[str, object], answer: str
) -> None:
    nowhere = {
        "MERGE_WORKER_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/none",
        "MERGE_WORKER_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    file = tmp_path / "commands.jsonl"
    file.write_text(json.dumps(COMMAND | {"command_id": "bad"} | change) + "\n", encoding="utf-8")
    told = run_here(main, ["submit", str(file), "--tenant", TENANT], nowhere)
    assert told.status == 1
    first, last = told.err.strip().splitlines()
    assert first.removeprefix("merge-worker: ").startswith(answer), first[:200]
    assert "nothing was published" in last


def test_each_bad_command_ends_in_one_rejection_that_names_the_rule_and_changes_nothing(full_world: MergeWorld) -> None:
    world = full_world
    world.customers("minus", "told")
    world.sql("ALTER TABLE store.customers DROP CONSTRAINT customers_version_check")  # not every table has one
    world.sql("UPDATE store.customers SET version = -1 WHERE customer_id = 'minus'")
    world.sql(
        "INSERT INTO store.external_ids (tenant_id, customer_id, system, external_id)"
        " SELECT :tenant, 'told', repeat('s', 200), lpad(n::text, 200, '0') FROM generate_series(1, 2600) AS n",
        tenant=TENANT,
    )
    before = _store(world)
    expected = {
        "version": (merge("version", "minus", "b"), "VERSION_NEGATIVE"),
        "untold": (merge("untold", "a", "told"), "NOT_TELLABLE"),
        "itself": (merge("itself", "a", "a"), "SAME_RECORD"),
        "crowd": (merge("crowd", "a", *(f"c{n}" for n in range(10_000))), "TOO_MANY_CUSTOMERS"),
        "twice": (merge("twice", "a", "b", "b"), "LOSER_REPEATED"),
        "foreign": (merge("foreign", "a", "z"), "CUSTOMER_NOT_FOUND"),
        "no_such_tenant": (merge("no_such_tenant", "a", "b", tenant_id="nowhere"), "CUSTOMER_NOT_FOUND"),
        "cyrillic": (merge("cyrillic", "a", "\u0441"), "CUSTOMER_NOT_FOUND"),
        "wide": (merge("wide", "\uff41", "b"), "CUSTOMER_NOT_FOUND"),
        "blank": (merge("blank", "a", "b "), "CUSTOMER_NOT_FOUND"),
        "joined": (merge("joined", "a", "b\u200d"), "CUSTOMER_NOT_FOUND"),
        "case": (merge("case", "a", "B"), "CUSTOMER_NOT_FOUND"),
        "field": (
            merge("field", "a", "b", field_choices=[{"field": "colour", "literal": "red"}]),
            "FIELD_CHOICE_INVALID",
        ),
        "rows": (
            merge("rows", "a", "b", row_choices=[{"table": "store.orders", "keep_ids": []}]),
            "ROW_CHOICE_INVALID",
        ),
        "helper": (merge("helper", "a", "b", facilitator_id="nobody"), "FACILITATOR_INVALID"),
        "stale": (merge("stale", "a", "b", expected_versions={"b": 7}), "STALE_VERSION"),
        "late": (merge("late", "a", "b", deadline="2020-01-01T00:00:00Z"), "DEADLINE_PASSED"),
    }
    world.worker(DEFERRAL__CUSTOMER_NOT_FOUND_S="0")
    world.produce(*(command for command, _ in expected.values()))
    world.rest()
    for command_id, (command, rule) in expected.items():
        outcome = world.terminal(command_id, tenant_id=command.tenant_id)
        assert type(outcome).__name__ == "MergeRejected", (command_id, outcome)
        assert rule in {error.rule for error in outcome.errors}, (command_id, [error.rule for error in outcome.errors])
        assert all(error.message and error.remediation for error in outcome.errors)
    assert _store(world) == before
    assert world.sql("SELECT FROM merge.quarantine") == []
    world.promises()


@pytest.mark.parametrize("text", [SQL, SQL_AS_PATTERN], ids=["quote", "pattern"])
def test_sql_in_every_string_is_only_a_string(full_world: MergeWorld, text: str) -> None:
    world = full_world
    before = _store(world)
    everywhere = {
        "field_choices": [{"field": text, "from_customer_id": text}],
        "row_choices": [{"table": text, "keep_ids": [text]}],
        "facilitator_id": text,
        "waived_rules": [text],
        "expected_versions": {text: 1},
        "candidate_id": text,
        "requested_by": {"id": text, "roles": ["merge", text]},
        "reason": text,
    }
    world.worker(DEFERRAL__CUSTOMER_NOT_FOUND_S="0")
    world.produce(
        merge(text, text, f"{text}2", **everywhere),
        merge("named", "a", "b", **(everywhere | {"candidate_id": None})),
        merge("literal", "a", "c", field_choices=[{"field": "occupation", "literal": text}], reason=text),
    )
    world.rest()
    assert type(world.terminal(text)).__name__ == "MergeRejected"
    assert type(world.terminal("named")).__name__ == "MergeRejected"
    assert type(world.terminal("literal")).__name__ == "MergeCompleted"
    (winner,) = world.sql(
        "SELECT occupation FROM store.customers WHERE tenant_id = :tenant AND customer_id = 'a'", tenant=TENANT
    )
    assert winner.occupation == text
    assert [row for row in _store(world)["emails"] if '"b"' in row] == [row for row in before["emails"] if '"b"' in row]
    world.promises()
