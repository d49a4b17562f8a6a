"""Plan files: what is accepted, and what is said about what is not."""

from pathlib import Path

import pytest

from customer_identity.merging import Side
from merge_engine import MergeEngine, PlanError
from merge_engine.plan_file import load_plan, packs, shipped_plans

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
            "plan.yaml:4: disposition.link.column: Input should be a valid string (YAML reads bare",
        ),
        ("table: shop.clients, ", "", "plan.yaml:3: customer.table: Field required"),
        (
            "move: repoint",
            "move: repoint_unique, unique: [a], collision: {policy: highest}",
            "newest, oldest need a column",
        ),
        ("label: WINNER_THEN_FILL", "label: VERIFIED_FIRST", "VERIFIED_FIRST needs verified_column"),
        ("name: small", "name: [", "plan.yaml: not YAML"),
        ("revision: 1", "revision: 1\nrevision: 2", "plan.yaml:3: revision: stands here for the second time"),
        ("column: see", "column: see, column: saw", "plan.yaml:4: column: stands here for the second time"),
        ("name: small", "colour: red\nname: small", "plan.yaml:1: colour: Extra inputs are not permitted"),
        ("revision: 1", "revision: one", "plan.yaml:2: revision: Input should be a valid integer"),
        ("column: id", f"column: {'x' * 1_000_000}", "key.column: String should have at most 63 characters"),
        (
            "name: small",
            f"name: small\nrules: {'[' * 5_000}{']' * 5_000}",
            "plan.yaml: not a plan: it is nested too deeply",
        ),
        ("name: small", "name: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("name: small", 'name: "a\0b"', "plan.yaml: not YAML: unacceptable character #x0000"),
        ("name: small", "a: &a [*a]\nname: small", "plan.yaml:1: a: Extra inputs are not permitted"),
    ],
)
def test_a_fault_is_named_with_file_line_and_place(tmp_path: Path, old: str, new: str, expected: str) -> None:
    said = _error(tmp_path, SMALL.replace(old, new, 1))
    assert expected in said
    assert len(said) < 400


FIELDS = "label: WINNER_THEN_FILL"
RULES = "children:"
RULE = "rules:\n  - {rule: R, message: m, remediation: r, %s}\nchildren:"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("{strategy: RECENCY}", "fields.label: Value error, RECENCY needs time"),
        ("{strategy: MAX, time: t}", "fields.label: Value error, MAX takes no time"),
        ("{strategy: SOURCE_PRIORITY, source: s}", "SOURCE_PRIORITY needs order"),
        ("HIGHEST_RANK", "HIGHEST_RANK needs order"),
        ("LITERAL", "LITERAL needs value"),
        ("RECORD_EXPLICIT", "unknown strategy RECORD_EXPLICIT"),
        ("{strategy: UNION, over_cap: TOO_MANY}", "over_cap needs cap"),
        ("{strategy: MAX, protected: true}", "its strategy is WINNER_STRICT"),
        ("{strategy: FOLLOW_ATTRIBUTE, follow: street}", "plan.yaml:6: fields.label.follow: street cannot be followed"),
        ("{strategy: FOLLOW_ATTRIBUTE, follow: label}", "fields.label.follow: label cannot be followed"),
    ],
)
def test_a_strategy_without_what_it_needs_is_a_fault_of_the_plan(tmp_path: Path, field: str, expected: str) -> None:
    assert expected in _error(tmp_path, SMALL.replace(FIELDS, f"label: {field}"))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("side: LOSER", "plan.yaml:8: rules.0: give exactly one of exists, flag, calendar"),
        ("side: LOSER, flag: {column: a}, mismatch: {column: b}", "rules.0: give exactly one of exists"),
        ("flag: {column: a}", "rules.0.flag.side: Field required"),
        ("side: PAIR, flag: {column: a}", "this form looks at WINNER, LOSER, EITHER; R looks at PAIR"),
        ("flag: {table: s.t, where: {}}", "rules.0.system_flag.flag.where"),
        ("flag: {table: s.t, where: {a: 1}, per: tenant}", "the customers have no tenant"),
        ("calendar: {last_days: 1, time_zone: Mars/Base}", "there is no time zone 'Mars/Base'"),
        ("calendar: {time_zone: UTC}", "give last_days or first_days"),
        ("mismatch: {column: a, by: b}", "by and where need table"),
        ("both_present: {}", "give either table (and where), or column (and within_days)"),
        ("needs_role: boss", "Input should be 'recommend', 'merge', 'protected-data' or 'admin'"),
        ("needs_role: merge, when: {}", "give exactly one of exists, flag"),
        ("side: PAIR, python: nothing", "rules.0.python.python: String should match pattern"),
        ("side: LOSER, flag: {column: a}, severity: WAIVABLE", "severity WAIVABLE needs waivable_by"),
        (
            "side: LOSER, flag: {column: a}, fixed_by: {field: b}",
            "rules.0.fixed_by.field: b does not stand under fields",
        ),
        ("side: LOSER, flag: {column: a, equals: {near: 1}}", "write a value, or one of the forms one_of, not, above"),
    ],
)
def test_a_rule_that_makes_no_sense_is_a_fault_of_the_plan(tmp_path: Path, rule: str, expected: str) -> None:
    assert expected in _error(tmp_path, SMALL.replace(RULES, RULE % rule))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("side: EITHER, exists: {table: s.t}", "OPEN_SALES_ORDERS is temporary and looks at LOSER; a plan cannot"),
        ("permanent: true, exists: {table: s.t}", "OPEN_SALES_ORDERS is temporary and looks at LOSER; a plan cannot"),
        ("mismatch: {column: a}", "this form looks at PAIR; OPEN_SALES_ORDERS looks at LOSER"),
    ],
)
def test_a_plan_cannot_turn_a_rule_of_a_pack_round(tmp_path: Path, rule: str, expected: str) -> None:
    text = SMALL.replace(RULES, f"rules:\n  - {{rule: OPEN_SALES_ORDERS, {rule}}}\nchildren:")
    assert expected in _error(tmp_path, text)


def test_a_rule_of_a_pack_brings_its_words_and_a_plan_may_have_its_own(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    rules = """rules:
  - {rule: OPEN_SALES_ORDERS, exists: {table: s.t}}
  - {rule: RECORD_LOCKED, flag: {column: a}, message: hands off, severity: WAIVABLE, waivable_by: admin}
children:"""
    path.write_text(SMALL.replace(RULES, rules), encoding="utf-8")
    orders, locked = load_plan(path).rules
    assert (orders.side, orders.permanent, orders.message) == (Side.LOSER, False, "the loser has open sales orders")
    assert (locked.message, locked.remediation, locked.waivable_by) == (
        "hands off",
        "have the record unlocked",
        "admin",
    )


def test_a_plan_that_names_a_pack_binds_each_of_its_rules_or_says_why_not(tmp_path: Path) -> None:
    said = _error(tmp_path, SMALL + "packs: [ticketing]\n").splitlines()
    assert all(line.startswith("plan.yaml:9: packs: ") for line in said)
    unbound = {line.split(": ")[2].split()[0] for line in said}
    expected = {r.rule for name in ("identity", "ticketing") for r in packs()[name].rules if r.provided is None}
    assert unbound == expected


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ("{NO_SUCH_RULE: why}", "plan.yaml:9: not_applicable.NO_SUCH_RULE: there is no such rule in any pack"),
        ("{STALE_VERSION: why}", "STALE_VERSION is checked by the engine itself"),
        ("{LEGAL_HOLD: ''}", "not_applicable.LEGAL_HOLD: String should have at least 1 character"),
    ],
)
def test_what_does_not_apply_is_a_rule_of_a_pack_and_has_a_reason(tmp_path: Path, reasons: str, expected: str) -> None:
    assert expected in _error(tmp_path, SMALL + f"not_applicable: {reasons}\n")


def test_a_rule_that_is_bound_cannot_be_said_not_to_apply(tmp_path: Path) -> None:
    text = SMALL.replace(RULES, "rules:\n  - {rule: LEGAL_HOLD, flag: {column: a}}\nchildren:")
    assert "LEGAL_HOLD is bound in this plan as well" in _error(tmp_path, text + "not_applicable: {LEGAL_HOLD: none}\n")


def test_no_rule_stands_in_two_packs_and_all_the_packs_are_there() -> None:
    names = [rule.rule for pack in packs().values() for rule in pack.rules]
    assert len(names) == len(set(names))
    assert {name: len(pack.rules) for name, pack in packs().items()} == {
        "identity": 12,
        "retail": 28,
        "commerce": 12,
        "ticketing": 7,
    }


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
    assert shipped_plans() == ["agent_console", "default", "infoplus", "omneo", "spektrix", "storis"]
    for name in shipped_plans():
        assert MergeEngine.load(name).policy_version.startswith(f"{name}-")
    assert MergeEngine.load("default").policy_version == "default-1"
