"""Decides whether a case may be merged without a person.

Automatic approval needs ALL of: nobody paused it; the grade is one the policy names; the detector itself
saw nothing against it; no eligibility rule fails, not even one that only warns; no person or assertion says
that two of the members are different people; and an identifier that is verified, or comes from a source the
policy trusts, is equal on both sides in its strict form, with evidence beside it that does not come from
the same identifier. Whatever is missing is listed, never only the first thing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from customer_identity.approval_identifiers import Identifier, IdentifierKind, strict_form

__all__ = [
    "EVERY_SOURCE",
    "ApprovalPolicy",
    "Approve",
    "CaseFacts",
    "Decision",
    "EvidenceItem",
    "Grade",
    "Identifier",
    "IdentifierKind",
    "IdentitySide",
    "Reason",
    "ReasonCode",
    "Wait",
    "decide",
    "evidence_family",
    "strict_form",
]

# In `trusted_sources`: every source, also a record that names none. Only for a policy whose owner vouches
# for all input.
EVERY_SOURCE: Final = "*"


class Grade(StrEnum):
    """How sure the detector is of a pair."""

    CERTAIN = "CERTAIN"
    PROBABLE = "PROBABLE"
    POSSIBLE = "POSSIBLE"


class ReasonCode(StrEnum):
    """Why a case waits for a person."""

    PAUSED = "PAUSED"
    GRADE_NOT_AUTOMATIC = "GRADE_NOT_AUTOMATIC"
    DETECTOR_OBJECTS = "DETECTOR_OBJECTS"
    RULE_FAILED = "RULE_FAILED"
    NOT_DUPLICATE = "NOT_DUPLICATE"
    NO_TRUSTED_IDENTIFIER = "NO_TRUSTED_IDENTIFIER"
    NO_INDEPENDENT_EVIDENCE = "NO_INDEPENDENT_EVIDENCE"
    TOO_MANY_MEMBERS = "TOO_MANY_MEMBERS"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceItem:
    """One field's part in a score: its comparison level and its weight (positive: the same person)."""

    field: str
    level: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySide:
    """One of the two identities that would be joined: its members' ids, and the identifiers held by them."""

    member_ids: frozenset[str]
    identifiers: tuple[Identifier, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """What is known of a case at the moment of the decision."""

    grade: Grade
    safe_to_automate: bool
    blocked_because: tuple[str, ...] = ()
    evidence: tuple[EvidenceItem, ...] = ()
    sides: tuple[IdentitySide, ...] = ()
    failing_rules: tuple[str, ...] = ()
    denied_pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPolicy:
    """What may be approved without a person; the defaults trust nobody's unverified word.

    `minimum_evidence_weight` is in the unit of the detector's weights, per field family;
    `minimum_evidence_families` counts the families (name, birth date, address, …) that reach it, the
    identifier's own not included.
    """

    name: str
    paused: bool = False
    grades: frozenset[Grade] = frozenset({Grade.CERTAIN})
    trusted_sources: frozenset[str] = frozenset()
    identifiers: frozenset[IdentifierKind] = frozenset(IdentifierKind)
    minimum_evidence_families: int = 1
    minimum_evidence_weight: float = 1.0
    maximum_members: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing against automatic approval; `detail` names rules, codes and ids, never a person's data."""

    code: ReasonCode
    detail: str = ""

    def __str__(self) -> str:
        """`CODE` or `CODE: detail`."""
        return f"{self.code}: {self.detail}" if self.detail else str(self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Merge without a person; `because` names the identifier kinds that carry the decision."""

    because: tuple[IdentifierKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A person decides; `reasons` holds everything that stood against automatic approval."""

    reasons: tuple[Reason, ...]


Decision = Approve | Wait


def decide(facts: CaseFacts, policy: ApprovalPolicy) -> Decision:
    """Approve, or wait with every reason."""
    reasons = [*_standing_objections(facts, policy)]
    trusted = _trusted_equal_kinds(facts.sides, policy)
    supported = tuple(
        kind
        for kind in trusted
        if _independent_families(facts.evidence, kind, policy) >= policy.minimum_evidence_families
    )
    if not trusted:
        reasons.append(
            Reason(
                code=ReasonCode.NO_TRUSTED_IDENTIFIER,
                detail="none is verified or from a trusted source, and equal on both sides",
            )
        )
    elif not supported:
        named = ", ".join(trusted)
        reasons.append(
            Reason(code=ReasonCode.NO_INDEPENDENT_EVIDENCE, detail=f"nothing else speaks for it beside {named}")
        )
    return Wait(reasons=tuple(reasons)) if reasons else Approve(because=supported)


def evidence_family(field_name: str) -> str | None:
    """The family of an evidence field: fields of one family are not independent of each other.

    None for a field that identifies nobody (gender, language, occupation): it never counts as evidence
    beside an identifier.
    """
    for prefix, family in _FAMILIES:
        if field_name.startswith(prefix):
            return family
    return None


_FAMILIES: Final = (
    ("email", "email"),
    ("phone", "phone"),
    ("national_id", "national_id"),
    ("given", "name"),
    ("middle", "name"),
    ("family", "name"),
    ("full_name", "name"),
    ("name", "name"),
    ("date_of_birth", "birth_date"),
    ("birth", "birth_date"),
    ("dob", "birth_date"),
    ("street", "address"),
    ("address", "address"),
    ("postal", "address"),
    ("postcode", "address"),
    ("city", "address"),
)


def _standing_objections(facts: CaseFacts, policy: ApprovalPolicy) -> Iterable[Reason]:
    if policy.paused:
        yield Reason(code=ReasonCode.PAUSED, detail="automatic approval is switched off")
    if facts.grade not in policy.grades:
        yield Reason(code=ReasonCode.GRADE_NOT_AUTOMATIC, detail=facts.grade.lower())
    if facts.blocked_because or not facts.safe_to_automate:
        yield Reason(code=ReasonCode.DETECTOR_OBJECTS, detail=", ".join(facts.blocked_because))
    if facts.failing_rules:
        yield Reason(code=ReasonCode.RULE_FAILED, detail=", ".join(facts.failing_rules))
    if facts.denied_pairs:
        yield Reason(code=ReasonCode.NOT_DUPLICATE, detail=", ".join(f"{a} and {b}" for a, b in facts.denied_pairs))
    members = sum(len(side.member_ids) for side in facts.sides)
    if members > policy.maximum_members:
        yield Reason(code=ReasonCode.TOO_MANY_MEMBERS, detail=f"{members} records, {policy.maximum_members} allowed")


def _trusted_equal_kinds(sides: tuple[IdentitySide, ...], policy: ApprovalPolicy) -> tuple[IdentifierKind, ...]:
    """The kinds of which a trusted value is equal, in its strict form, on both of exactly two sides."""
    if len(sides) != 2:
        return ()
    left, right = ({*_trusted_forms(side, policy)} for side in sides)
    return tuple(sorted({kind for kind, _ in left & right}))


def _trusted_forms(side: IdentitySide, policy: ApprovalPolicy) -> Iterable[tuple[IdentifierKind, str]]:
    for identifier in side.identifiers:
        if identifier.kind not in policy.identifiers:
            continue
        if not (identifier.verified or _trusts(policy, identifier.source)):
            continue
        form = strict_form(identifier.kind, identifier.value)
        if form is not None:
            yield identifier.kind, form


def _trusts(policy: ApprovalPolicy, source: str | None) -> bool:
    return EVERY_SOURCE in policy.trusted_sources or (source is not None and source in policy.trusted_sources)


def _independent_families(evidence: tuple[EvidenceItem, ...], kind: IdentifierKind, policy: ApprovalPolicy) -> int:
    """How many families other than the identifier's own reach the weight; the fields of one family add up."""
    weights: dict[str, float] = {}
    for item in evidence:
        family = evidence_family(item.field)
        if family is not None and family != kind:
            weights[family] = weights.get(family, 0.0) + item.weight
    return sum(weight >= policy.minimum_evidence_weight for weight in weights.values())
