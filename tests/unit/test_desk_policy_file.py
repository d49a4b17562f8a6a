"""The approval policy file: what it says, and what is said about a wrong one."""

from pathlib import Path

import pytest

from customer_identity.approval import ApprovalPolicy, Grade, IdentifierKind
from review_desk.policy_file import PolicyError, load_policy, parse_policy

MINIMAL = "version: 1\nname: mine\n"


def test_the_shipped_policy_trusts_nobody_and_equals_the_defaults_of_the_decision() -> None:
    assert load_policy("default") == ApprovalPolicy(name="default")


def test_a_file_says_everything_a_policy_can() -> None:
    policy = parse_policy(
        MINIMAL + "automatic_approval:\n"
        "  paused: true\n  grades: [CERTAIN, PROBABLE]\n  trusted_sources: ['*', crm]\n  identifiers: [email]\n"
        "  independent_evidence: {minimum_fields: 2, minimum_weight: 3}\n  maximum_members: 4\n",
        "mine.yaml",
    )
    assert policy == ApprovalPolicy(
        name="mine",
        paused=True,
        grades=frozenset({Grade.CERTAIN, Grade.PROBABLE}),
        trusted_sources=frozenset({"*", "crm"}),
        identifiers=frozenset({IdentifierKind.EMAIL}),
        minimum_evidence_families=2,
        minimum_evidence_weight=3.0,
        maximum_members=4,
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "expected a mapping"),
        ("- 1", "expected a mapping"),
        ("version: 1\nname: [", "line 2: not YAML"),
        ("name: mine", "version: is missing"),
        ("version: 2\nname: mine", "version: input should be 1"),
        (MINIMAL + "automatic: true", "automatic: unknown key"),
        (MINIMAL + "automatic_approval: {trusted: [x]}", "automatic_approval.trusted: unknown key"),
        (MINIMAL + "automatic_approval: {grades: [SURE]}", "automatic_approval.grades.0: input should be 'CERTAIN', "),
        (MINIMAL + "automatic_approval: {paused: maybe}", "automatic_approval.paused: input should be a valid bool"),
        (MINIMAL + "automatic_approval: {maximum_members: 1}", "automatic_approval.maximum_members: "),
    ],
)
def test_a_wrong_file_is_told_in_one_line_that_names_the_place(content: str, said: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse_policy(content, "mine.yaml")
    assert str(error.value).startswith("policy mine.yaml")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_all_faults_of_a_file_are_told_at_once() -> None:
    with pytest.raises(PolicyError, match=r"name: is missing; automatic_approval\.pause: unknown key"):
        parse_policy("version: 1\nautomatic_approval: {pause: true}", "mine.yaml")


def test_a_policy_is_found_by_path_and_a_missing_one_names_those_shipped(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL)
    assert load_policy(str(path)).name == "mine"
    with pytest.raises(PolicyError, match=r"No such file or directory; shipped: default"):
        load_policy(str(tmp_path / "none.yaml"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="not UTF-8"):
        load_policy(str(path))
    with pytest.raises(PolicyError, match="Is a directory"):
        load_policy(str(tmp_path))
