"""Plan files: what is accepted, and what is said about what is not."""

from pathlib import Path

import pytest

from merge_engine import MergeEngine, PlanError
from merge_engine.plan_file import load_plan, shipped_plans

SMALL = """\
name: small
revision: 1
customer: {table: shop.clients, key: {column: id}, version: rev}
disposition: {kind: link, column: see}
fields:
  label: WINNER_THEN_FILL
children:
  - {table: shop.bills, move: repoint}
"""


def _error(tmp_path: Path, text: str) -> str:
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as raised:
        load_plan(path)
    return str(raised.value).replace(str(path), "plan.yaml")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("label: WINNER_THEN_FILL", "label: BEST", "plan.yaml:6: fields.label: Value error, unknown strategy BEST"),
        ("shop.bills", "bills", "plan.yaml:8: children.0.repoint.table: String should match pattern"),
        ("move: repoint", "move: teleport", "plan.yaml:8: children.0: Input tag 'teleport'"),
        ("move: repoint", "move: repoint, colour: red", "plan.yaml:8: children.0.repoint.colour: Extra inputs"),
        (
            "column: see",
            "column: no",
            "plan.yaml:4: disposition.column: Input should be a valid string (YAML reads bare",
        ),
        ("version: rev}", "}", "plan.yaml:3: customer.version: Field required"),
        ("move: repoint", "move: repoint_unique, unique: [a], collision: {policy: highest}", "highest need a column"),
        ("label: WINNER_THEN_FILL", "label: VERIFIED_FIRST", "VERIFIED_FIRST needs verified_column"),
        ("name: small", "name: [", "plan.yaml: not YAML"),
    ],
)
def test_a_fault_is_named_with_file_line_and_place(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert expected in _error(tmp_path, SMALL.replace(old, new, 1))


def test_a_table_stands_once(tmp_path: Path) -> None:
    assert "shop.bills" in _error(tmp_path, SMALL + "  - {table: shop.bills, move: repoint}\n")


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    assert (
        len(_error(tmp_path, SMALL.replace("revision: 1", "revision: 0").replace("shop.bills", "bills")).splitlines())
        == 2
    )


@pytest.mark.parametrize("plan", ["no-such-plan", "/no/such/plan.yaml"])
def test_a_plan_that_is_not_there_is_one_clear_line(plan: str) -> None:
    with pytest.raises(PlanError) as raised:
        load_plan(plan)
    assert "\n" not in str(raised.value)


def test_shipped_plans_load_by_name() -> None:
    assert shipped_plans() == ["default"]
    assert MergeEngine.load("default").policy_version == "default-1"
