"""Conversions that are refused: one clear reason, or all there are, and nothing changed."""

from pathlib import Path

import pytest

from customer_identity.merging import ActorRef
from customer_identity.merging.conversion import ConversionRefused, Converted, PartyType
from merge_engine import PlanError
from rig.crm import WITH_NEW_IDS, Crm
from rig.fixtures import Connected


@pytest.fixture
def crm(connected: Connected, tmp_path: Path) -> Crm:
    return Crm(connected("merge_worker"), tmp_path)


@pytest.mark.parametrize(
    ("id_", "rule"),
    [
        ("I-9", "CUSTOMER_NOT_FOUND"),
        ("O-2", "ALREADY_OF_THIS_TYPE"),
        ("I-4", "CUSTOMER_MERGED_AWAY"),
        ("X-5", "ID_WITHOUT_PREFIX"),
        ("I-2", "ID_TAKEN"),
        ("I-6", "TYPE_UNKNOWN"),
        ("I-1' OR ''='", "CUSTOMER_NOT_FOUND"),
    ],
)
def test_who_cannot_be_converted_is_refused_for_one_clear_reason_and_nothing_changes(
    crm: Crm, id_: str, rule: str
) -> None:
    for known in ("I-1", "I-2", "I-4", "X-5"):
        crm.person(known)
    crm.person("O-2", "ORG")
    crm.person("I-6", "???")
    crm.merge("I-1", "I-4")
    before = crm.execute("SELECT to_jsonb(p)::text FROM crm.people p ORDER BY 1")
    assert crm.rules(crm.convert(id_)) == [rule]
    assert crm.execute("SELECT to_jsonb(p)::text FROM crm.people p ORDER BY 1") == before
    assert crm.execute("SELECT count(*) FROM merge.conversions") == [(0,)]


def test_all_reasons_are_told_together(crm: Crm) -> None:
    crm.person("O-2", "ORG")
    assert crm.rules(crm.convert("O-2", contact_id="I-9")) == ["ALREADY_OF_THIS_TYPE", "CONTACT_NOT_FOUND"]


def test_a_contact_that_fits_nowhere_is_refused(crm: Crm) -> None:
    for id_ in ("I-1", "I-2", "I-3"):
        crm.person(id_)
    crm.person("O-4", "ORG")
    crm.execute(
        "INSERT INTO crm.relationships (company, org_id, person_id, kind) VALUES ('acme','I-1','I-3','PRIMARY')"
    )
    assert crm.rules(crm.convert("I-1", contact_id="I-2")) == ["PRIMARY_CONTACT_EXISTS"]
    assert crm.rules(crm.convert("I-1", contact_id="O-4")) == ["CONTACT_NOT_FOUND"]
    assert crm.rules(crm.convert("I-1", contact_id="I-1")) == ["CONTACT_NOT_FOUND"]
    assert crm.rules(crm.convert("O-4", PartyType.INDIVIDUAL, contact_id="I-2")) == ["CONTACT_NOT_PLANNED"]


def test_a_plan_that_says_nothing_about_conversions_refuses_them(crm: Crm) -> None:
    crm.merges = crm.load("")
    crm.person("I-1")
    assert crm.rules(crm.convert("I-1")) == ["CONVERSION_NOT_PLANNED"]


def test_a_customer_that_others_refer_to_by_a_key_the_plan_does_not_know_stays_as_it_was(crm: Crm) -> None:
    crm.person("I-1")
    crm.execute(
        "CREATE TABLE crm.odd (company text, person_id text, FOREIGN KEY (company, person_id) REFERENCES crm.people)"
    )
    crm.execute("INSERT INTO crm.odd VALUES ('acme', 'I-1')")
    with pytest.raises(Exception, match="violates foreign key"):
        crm.convert("I-1")
    assert crm.execute("SELECT id FROM crm.people") == [("I-1",)]


HOLDS = """
rules:
  - {rule: LEGAL_HOLD, flag: {column: name, equals: Held}}
  - {rule: RECORD_LOCKED, exists: {table: crm.notes, where: {owner_kind: person}}}
  - {rule: OWN_RULE, side: EITHER, flag: {column: name, equals: Own}, message: m, remediation: r}
  - {rule: OWN_OF_CONVERSIONS, side: EITHER, flag: {column: name, equals: Vip}, message: m, remediation: r,
     conversion: true}
"""


def test_rules_that_protect_the_record_itself_stand_against_a_conversion_and_others_do_not(crm: Crm) -> None:
    crm.merges = crm.load(WITH_NEW_IDS, rules=HOLDS)
    for id_, name in (("I-1", "Held"), ("I-2", "Free"), ("I-3", "Own"), ("I-4", "Vip")):
        crm.person(id_)
        crm.execute("UPDATE crm.people SET name = :name WHERE id = :id", id=id_, name=name)
    crm.execute("INSERT INTO crm.notes (company, owner_kind, owner_id) VALUES ('acme', 'person', 'I-1')")
    refused = crm.convert("I-1")
    assert crm.rules(refused) == ["LEGAL_HOLD", "RECORD_LOCKED"]
    assert isinstance(refused, ConversionRefused)
    assert [(one.customer_ids, one.permanent, one.message) for one in refused.errors] == [
        (("I-1",), True, "the record is under legal hold and must stay as it is"),
        (("I-1",), False, "the record is locked by whoever works on it"),
    ]
    assert crm.rules(crm.convert("I-4")) == ["OWN_OF_CONVERSIONS"]
    assert isinstance(crm.convert("I-2"), Converted)
    assert isinstance(crm.convert("I-3"), Converted)


def test_a_hold_on_a_record_that_was_merged_into_the_customer_counts(crm: Crm) -> None:
    crm.person("I-1")
    crm.person("I-2")
    crm.merge("I-1", "I-2")
    crm.merges = crm.load(WITH_NEW_IDS, rules=HOLDS)
    crm.execute("UPDATE crm.people SET name = 'Held' WHERE id = 'I-2'")
    refused = crm.convert("I-1")
    assert crm.rules(refused) == ["LEGAL_HOLD"]
    assert isinstance(refused, ConversionRefused)
    assert refused.errors[0].customer_ids == ("I-2",)


def test_who_is_to_be_erased_or_was_stays_as_they_are(crm: Crm) -> None:
    for id_ in ("I-1", "I-2"):
        crm.person(id_)
    crm.execute(
        "INSERT INTO merge.erasures (tenant_id, customer_id, version, state, requested_at, received_at)"
        " VALUES ('acme', 'I-1', 1, 'WAITING', now(), now())"
    )
    crm.execute("INSERT INTO merge.erased VALUES ('acme', 'I-2', 'I-2', now())")
    assert crm.rules(crm.convert("I-1")) == ["ERASURE_PENDING"]
    assert crm.rules(crm.convert("I-2")) == ["ERASED"]


def test_protected_data_is_emptied_only_by_somebody_with_the_role_for_it(crm: Crm) -> None:
    crm.merges = crm.load(WITH_NEW_IDS, fields="email: {strategy: WINNER_STRICT, protected: true}")
    crm.person("I-1")
    refused = crm.convert("I-1")
    assert crm.rules(refused) == ["PROTECTED_DATA_PERMISSION_MISSING"]
    assert isinstance(refused, ConversionRefused)
    assert "email" in refused.errors[0].message
    permitted = ActorRef(id="pat", roles=("protected-data",))
    assert isinstance(crm.convert("I-1", requested_by=permitted), Converted)


def test_a_plan_cannot_take_a_hold_off_conversions(crm: Crm) -> None:
    with pytest.raises(PlanError, match="LEGAL_HOLD stands against a conversion, too"):
        crm.load(WITH_NEW_IDS, rules=HOLDS.replace("equals: Held}", "equals: Held}, conversion: false"))
