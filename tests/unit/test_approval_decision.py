"""What may be merged without a person, and what is said about the rest."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_identity.approval import (
    EVERY_SOURCE,
    ApprovalPolicy,
    Approve,
    CaseFacts,
    EvidenceItem,
    Grade,
    Identifier,
    IdentifierKind,
    IdentitySide,
    ReasonCode,
    Wait,
    decide,
    evidence_family,
)

POLICY = ApprovalPolicy(name="test")


def side(
    *members: str, email: str = "ann@example.com", verified: bool = True, source: str | None = "shop"
) -> IdentitySide:
    identifier = Identifier(kind=IdentifierKind.EMAIL, value=email, verified=verified, source=source)
    return IdentitySide(member_ids=frozenset(members), identifiers=(identifier,))


CERTAIN = CaseFacts(
    grade=Grade.CERTAIN,
    safe_to_automate=True,
    evidence=(
        EvidenceItem(field="email", level="exact", weight=12.0),
        EvidenceItem(field="family_name", level="exact", weight=6.0),
    ),
    sides=(side("a"), side("b")),
)


def codes(facts: CaseFacts, policy: ApprovalPolicy = POLICY) -> list[ReasonCode]:
    decision = decide(facts, policy)
    return [reason.code for reason in decision.reasons] if isinstance(decision, Wait) else []


def test_a_certain_pair_with_a_verified_identifier_and_other_evidence_is_approved() -> None:
    assert decide(CERTAIN, POLICY) == Approve(because=(IdentifierKind.EMAIL,))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"grade": Grade.PROBABLE}, ReasonCode.GRADE_NOT_AUTOMATIC),
        ({"safe_to_automate": False}, ReasonCode.DETECTOR_OBJECTS),
        ({"blocked_because": ("HUB",)}, ReasonCode.DETECTOR_OBJECTS),
        ({"failing_rules": ("BOTH_ACTIVELY_USED",)}, ReasonCode.RULE_FAILED),
        ({"denied_pairs": (("a", "b"),)}, ReasonCode.NOT_DUPLICATE),
        ({"sides": (side("a"), side("b", verified=False))}, ReasonCode.NO_TRUSTED_IDENTIFIER),
        ({"sides": (side("a"), side("b", email="bob@example.com"))}, ReasonCode.NO_TRUSTED_IDENTIFIER),
        ({"sides": (side("a"), side("b"), side("c"))}, ReasonCode.NO_TRUSTED_IDENTIFIER),
        ({"evidence": CERTAIN.evidence[:1]}, ReasonCode.NO_INDEPENDENT_EVIDENCE),
        ({"sides": (side(*"abcdefg"), side(*"hijklm"))}, ReasonCode.TOO_MANY_MEMBERS),
    ],
)
def test_each_objection_alone_leaves_the_case_to_a_person(change: dict[str, object], code: ReasonCode) -> None:
    assert codes(replace(CERTAIN, **change)) == [code]  # type: ignore[arg-type]  # fields by name


def test_a_paused_policy_approves_nothing() -> None:
    assert codes(CERTAIN, replace(POLICY, paused=True)) == [ReasonCode.PAUSED]


def test_all_objections_are_listed_not_only_the_first() -> None:
    facts = CaseFacts(
        grade=Grade.POSSIBLE, safe_to_automate=False, failing_rules=("LEGAL_HOLD",), denied_pairs=(("a", "b"),)
    )
    assert codes(facts, replace(POLICY, paused=True)) == [
        ReasonCode.PAUSED,
        ReasonCode.GRADE_NOT_AUTOMATIC,
        ReasonCode.DETECTOR_OBJECTS,
        ReasonCode.RULE_FAILED,
        ReasonCode.NOT_DUPLICATE,
        ReasonCode.NO_TRUSTED_IDENTIFIER,
    ]


def test_a_trusted_source_stands_in_for_verification_and_an_untrusted_one_does_not() -> None:
    unverified = replace(CERTAIN, sides=(side("a", verified=False), side("b", verified=False)))
    assert isinstance(decide(unverified, replace(POLICY, trusted_sources=frozenset({"shop"}))), Approve)
    assert codes(unverified, replace(POLICY, trusted_sources=frozenset({"web"}))) == [ReasonCode.NO_TRUSTED_IDENTIFIER]


def test_a_record_without_a_source_is_trusted_only_when_every_source_is() -> None:
    nameless = replace(CERTAIN, sides=(side("a", verified=False, source=None), side("b")))
    assert codes(nameless, replace(POLICY, trusted_sources=frozenset({"shop"})))
    assert isinstance(decide(nameless, replace(POLICY, trusted_sources=frozenset({EVERY_SOURCE}))), Approve)


def test_evidence_of_the_identifiers_own_family_is_not_independent() -> None:
    only_email = (
        EvidenceItem(field="email", level="exact", weight=12.0),
        EvidenceItem(field="email_domain", level="exact", weight=3.0),
        EvidenceItem(field="occupation", level="exact", weight=9.0),
    )
    assert codes(replace(CERTAIN, evidence=only_email)) == [ReasonCode.NO_INDEPENDENT_EVIDENCE]


def test_evidence_for_and_against_within_a_family_is_added_up() -> None:
    contradicted = (
        EvidenceItem(field="family_name", level="exact", weight=6.0),
        EvidenceItem(field="given_name", level="different", weight=-7.0),
    )
    assert codes(replace(CERTAIN, evidence=contradicted)) == [ReasonCode.NO_INDEPENDENT_EVIDENCE]


def test_an_identifier_that_the_policy_does_not_name_carries_nothing() -> None:
    by_phone = replace(POLICY, identifiers=frozenset({IdentifierKind.PHONE}))
    assert codes(CERTAIN, by_phone) == [ReasonCode.NO_TRUSTED_IDENTIFIER]


def test_look_alike_letters_and_case_never_approve() -> None:
    for other in ("аnn@example.com", "Ann@example.com", "ＡＮＮ@example.com", "ann@exаmple.com"):  # noqa: RUF001
        assert codes(replace(CERTAIN, sides=(side("a"), side("b", email=other)))) == [ReasonCode.NO_TRUSTED_IDENTIFIER]
    assert codes(replace(CERTAIN, sides=(side("a"), side("b", email="ann@EXAMPLE.com")))) == []


@given(
    grade=st.sampled_from(Grade),
    safe=st.booleans(),
    rules=st.lists(st.just("SOME_RULE"), max_size=1),
    verified=st.tuples(st.booleans(), st.booleans()),
    same=st.booleans(),
    weight=st.floats(-5, 5),
    paused=st.booleans(),
)
def test_only_a_case_without_any_objection_is_approved(
    *, grade: Grade, safe: bool, rules: list[str], verified: tuple[bool, bool], same: bool, weight: float, paused: bool
) -> None:
    facts = CaseFacts(
        grade=grade,
        safe_to_automate=safe,
        failing_rules=tuple(rules),
        evidence=(EvidenceItem(field="date_of_birth", level="exact", weight=weight),),
        sides=(
            side("a", verified=verified[0]),
            side("b", verified=verified[1], email="ann@example.com" if same else "bob@example.com"),
        ),
    )
    good = grade is Grade.CERTAIN and safe and not rules and all(verified) and same and weight >= 1.0 and not paused
    assert isinstance(decide(facts, replace(POLICY, paused=paused)), Approve) is good


def test_reasons_and_facts_hold_no_personal_data() -> None:
    facts = replace(CERTAIN, sides=(side("a"), side("b", verified=False)))
    assert "ann@" not in repr(facts)
    assert "ann@" not in repr(decide(facts, POLICY))


def test_fields_belong_to_families() -> None:
    assert evidence_family("given_name") == evidence_family("family_name") == "name"
    assert evidence_family("postal_code") == evidence_family("street") == "address"
    assert evidence_family("phone_last7") == "phone"
    assert evidence_family("gender") is None
