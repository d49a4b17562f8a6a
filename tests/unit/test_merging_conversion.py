"""What a conversion makes of an id, of those who were merged into it, and what stands against it."""

import pytest

from customer_identity.merging import ActorRef
from customer_identity.merging.conversion import (
    ConversionFacts,
    ConversionOrder,
    ConversionPolicy,
    PartyType,
    new_id,
    objections,
    redirects_of_conversion,
)
from customer_identity.merging.identity import Identity, Member

PREFIXES = {PartyType.INDIVIDUAL: "I-", PartyType.ORGANISATION: "O-"}
POLICY = ConversionPolicy(
    stored={PartyType.INDIVIDUAL: "ind", PartyType.ORGANISATION: "org"},
    prefixes=PREFIXES,
    clears=("email",),
    keeps_contact=True,
)


def _order(
    customer_id: str, to_type: PartyType = PartyType.ORGANISATION, contact_id: str | None = None
) -> ConversionOrder:
    return ConversionOrder(
        tenant_id="t",
        command_id="c",
        customer_id=customer_id,
        to_type=to_type,
        contact_id=contact_id,
        requested_by=ActorRef(id="ann"),
        reason="r",
    )


def _facts(**known: object) -> ConversionFacts:
    facts: dict[str, object] = {
        "root_id": "I-1",
        "stored_type": "ind",
        "new_root": None,
        "contact_type": None,
        "primary_contacts": (),
        "rows_moving": False,
    }
    return ConversionFacts(**(facts | known))  # type: ignore[arg-type]  # tests name the fields


def _member(customer_id: str, direct_to: str, alias_version: int) -> Member:
    return Member(
        customer_id=customer_id, tenant_id="t", version=1, direct_to=direct_to, alias_version=alias_version, facts=()
    )


@pytest.mark.parametrize(
    ("customer_id", "to_type", "converted"),
    [
        ("I-1", PartyType.ORGANISATION, "O-1"),
        ("O-1", PartyType.INDIVIDUAL, "I-1"),
        ("I-I-1", PartyType.ORGANISATION, "O-I-1"),
        ("X-1", PartyType.ORGANISATION, None),
        ("O-1", PartyType.ORGANISATION, None),
        ("I-", PartyType.ORGANISATION, None),
    ],
)
def test_only_the_prefix_of_an_id_changes(customer_id: str, to_type: PartyType, converted: str | None) -> None:
    assert new_id(_order(customer_id, to_type), POLICY) == converted


def test_without_prefixes_an_id_stays() -> None:
    plain = ConversionPolicy(stored=POLICY.stored, prefixes=None, clears=(), keeps_contact=False)
    assert new_id(_order("anything"), plain) == "anything"


def test_everybody_merged_into_the_customer_gets_a_new_answer_one_version_on() -> None:
    identity = Identity(members=(_member("I-1", "I-1", 0), _member("I-2", "I-1", 1), _member("I-3", "I-2", 2)))
    redirects = redirects_of_conversion(identity, "O-1")
    assert [(one.from_id, one.direct_to, one.canonical, one.version) for one in redirects] == [
        ("I-1", "O-1", "O-1", 1),
        ("I-2", "I-1", "O-1", 2),
        ("I-3", "I-2", "O-1", 3),
    ]


def test_converted_back_the_former_id_answers_for_itself() -> None:
    identity = Identity(members=(_member("O-1", "O-1", 0), _member("I-1", "O-1", 1)))
    assert [
        (one.from_id, one.direct_to, one.canonical, one.version) for one in redirects_of_conversion(identity, "I-1")
    ] == [
        ("O-1", "I-1", "I-1", 1),
        ("I-1", "I-1", "I-1", 2),
    ]


@pytest.mark.parametrize(
    ("known", "rules"),
    [
        ({}, []),
        ({"root_id": "W"}, ["CUSTOMER_MERGED_AWAY"]),
        ({"stored_type": None}, ["CUSTOMER_NOT_FOUND"]),
        ({"stored_type": "org"}, ["ALREADY_OF_THIS_TYPE"]),
        ({"stored_type": "dog"}, ["TYPE_UNKNOWN"]),
        ({"new_root": "O-1"}, ["ID_TAKEN"]),
        ({"new_root": "I-1"}, []),  # its own former id
        ({"rows_moving": True}, ["MERGE_IN_PROGRESS"]),
        ({"new_root": "O-1", "rows_moving": True}, ["ID_TAKEN", "MERGE_IN_PROGRESS"]),
    ],
)
def test_each_objection_has_its_own_rule_and_all_are_told(known: dict[str, object], rules: list[str]) -> None:
    found = objections(_order("I-1"), POLICY, _facts(**known))
    assert [one.rule for one in found] == rules
    assert [one.permanent for one in found] == [rule != "MERGE_IN_PROGRESS" for rule in rules]


@pytest.mark.parametrize(
    ("contact_id", "known", "rules"),
    [
        ("I-2", {"contact_type": "ind"}, []),
        ("I-2", {"contact_type": "ind", "primary_contacts": ("I-2",)}, []),
        ("I-2", {"contact_type": "ind", "primary_contacts": ("I-3",)}, ["PRIMARY_CONTACT_EXISTS"]),
        ("I-2", {}, ["CONTACT_NOT_FOUND"]),
        ("O-2", {"contact_type": "org"}, ["CONTACT_NOT_FOUND"]),
        ("I-1", {"contact_type": "ind"}, ["CONTACT_NOT_FOUND"]),
    ],
)
def test_a_primary_contact_is_an_individual_and_the_only_one(
    contact_id: str, known: dict[str, object], rules: list[str]
) -> None:
    found = objections(_order("I-1", contact_id=contact_id), POLICY, _facts(**known))
    assert [one.rule for one in found] == rules
