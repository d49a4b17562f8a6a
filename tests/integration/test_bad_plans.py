"""Plans that nobody should write, given to a real worker: it does not start, says one thing, and nothing is changed."""

import json
from importlib import resources
from pathlib import Path

import pytest

import customer_events as wire
from rig.merge_world import TENANT, MergeWorld, merge

PLAN = (resources.files("merge_engine") / "plans" / "default.yaml").read_text(encoding="utf-8")
SQL = "'; DROP TABLE store.customers; --"
SQL_AS_PATTERN = "%(tenants)s {0} $1 \\'); DELETE FROM merge.outbox; --\" %%"


BAD = {
    "type": ("revision: 1", "revision: one", "revision: Input should be a valid integer"),
    "field": ("packs: [identity]", "colour: red\npacks: [identity]", "colour: Extra inputs are not permitted"),
    "twice": ("column: legal_hold", "column: legal_hold, column: has_login", "column: stands here for the second time"),
    "look-alike": ("table: store.orders", "table: store.\u043erders", "store.\u043erders: there is no such table"),
    "sql-column": (
        "  occupation: WINNER",
        f"  {json.dumps(SQL)}: WINNER",
        f"store.customers.{SQL}: there is no such column",
    ),
    "sql-table": (
        "table: store.orders",
        f"table: {json.dumps('store.' + SQL.replace('.', ''))}",
        "there is no such table",
    ),
    "sql-strategy": ("  currency: WINNER_THEN_FILL", f"  currency: {json.dumps(SQL)}", f"unknown strategy {SQL}"),
    "megabyte": ("column: legal_hold", f"column: {'x' * 1_000_000}", "String should have at most 63 characters"),
}


def test_a_bad_plan_ends_the_start_with_one_line_that_names_its_place(world: MergeWorld, tmp_path: Path) -> None:
    world.customers("a", "b")
    world.produce(merge("waits", "a", "b"))
    plans = {name: tmp_path / f"{name}.yaml" for name in BAD}
    for name, (old, new, _) in BAD.items():
        plans[name].write_text(PLAN.replace(old, new, 1), encoding="utf-8")
    starts = {name: world.worker(PLAN=str(plan)) for name, plan in plans.items()}
    for name, (_, _, said) in BAD.items():
        plan, started = plans[name], starts[name]
        assert started.wait() == 2, name
        (line,) = [line for line in started.stderr.splitlines() if "MERGE_WORKER_PLAN" in line]
        assert f"{plan}:" in line
        assert said in line
        assert len(line) < 500, name
        assert "Traceback" not in started.stderr
    assert world.sql("SELECT FROM merge.inbox") == []
    assert world.orders() == {"a": 1, "b": 1}


@pytest.mark.parametrize("text", [SQL, SQL_AS_PATTERN], ids=["quote", "pattern"])
def test_sql_in_every_value_of_a_plan_is_only_a_value(world: MergeWorld, tmp_path: Path, text: str) -> None:
    quoted = json.dumps(text)
    plan = tmp_path / "plan.yaml"
    hostile = (
        PLAN.replace("  occupation: WINNER_THEN_FILL", f"  occupation: {{strategy: LITERAL, value: {quoted}}}")
        .replace("  language: WINNER_THEN_FILL", f"  language: {{strategy: HIGHEST_RANK, order: [{quoted}, en]}}")
        .replace("set: {status: MERGED}", f"set: {{status: MERGED, notes: {quoted}}}")
        .replace(
            "  - rule: LEGAL_HOLD\n",
            f"  - {{rule: OWN, side: EITHER, flag: {{column: full_name, equals: {quoted}}}, message: {quoted},"
            f" remediation: {quoted}}}\n"
            f"  - {{rule: ROWS, side: EITHER, exists: {{table: store.orders, where: {{status: {quoted}}}}},"
            f" message: {quoted}, remediation: {quoted}}}\n  - rule: LEGAL_HOLD\n",
        )
        .replace("equals: ACTIVE", f"equals: {quoted}")
        .replace(
            "table: store.tickets\n    move: repoint\n",
            f"table: store.tickets\n    move: repoint\n    where: {{status: {quoted}}}\n",
        )
    )
    plan.write_text(hostile, encoding="utf-8")
    world.customers("a", "b", "c", "d")
    world.sql("UPDATE store.customers SET full_name = :text WHERE customer_id = 'd'", text=text)
    world.worker(PLAN=str(plan))
    world.produce(merge("m", "a", "b"), merge("refused", "c", "d"))
    assert isinstance(world.terminal("m"), wire.MergeCompleted)
    (error,) = world.terminal("refused").errors
    assert (error.rule, error.message, error.remediation) == ("OWN", text, text)
    rows = world.sql(
        "SELECT customer_id, occupation, notes FROM store.customers WHERE tenant_id = :t ORDER BY 1", t=TENANT
    )
    assert [tuple(row) for row in rows] == [("a", text, None), ("b", None, text), ("c", None, None), ("d", None, None)]
    world.promises()
