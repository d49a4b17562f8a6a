"""Conversions that are refused: one clear reason, or all there are, and nothing changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from customer_identity.merging.conversion import PartyType
from event_runtime.database import create_engine
from rig.crm import SCHEMA, Crm
from rig.fixtures import Migrated


@pytest.fixture
def crm(migrated: Migrated, tmp_path: Path) -> Iterator[Crm]:
    engine = create_engine(migrated("merge_worker"))
    with engine.begin() as connection:
        connection.exec_driver_sql(SCHEMA)
    yield Crm(engine, tmp_path)
    engine.dispose()


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
def test_who_cannot_be_converted_is_refused_for_one_clear_reason_and_nothing_changes(crm: Crm, id_: str, rule: str):
    for known in ("I-1", "I-2", "I-4", "X-5"):
        crm.person(known)
    crm.person("O-2", "ORG")
    crm.person("I-6", "???")
    crm.merge("I-1", "I-4")
    before = crm.execute("SELECT to_jsonb(p)::text FROM crm.people p ORDER BY 1")
    assert crm.rules(crm.convert(id_)) == [rule]
    assert crm.execute("SELECT to_jsonb(p)::text FROM crm.people p ORDER BY 1") == before
    assert crm.execute("SELECT count(*) FROM merge.conversions") == [(0,)]


def test_all_reasons_are_told_together(crm: Crm):
    crm.person("O-2", "ORG")
    assert crm.rules(crm.convert("O-2", contact_id="I-9")) == ["ALREADY_OF_THIS_TYPE", "CONTACT_NOT_FOUND"]


def test_a_contact_that_fits_nowhere_is_refused(crm: Crm):
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


def test_a_plan_that_says_nothing_about_conversions_refuses_them(crm: Crm):
    crm.merges = crm.load("")
    crm.person("I-1")
    assert crm.rules(crm.convert("I-1")) == ["CONVERSION_NOT_PLANNED"]


def test_a_customer_that_others_refer_to_by_a_key_the_plan_does_not_know_stays_as_it_was(crm: Crm):
    crm.person("I-1")
    crm.execute(
        "CREATE TABLE crm.odd (company text, person_id text, FOREIGN KEY (company, person_id) REFERENCES crm.people)"
    )
    crm.execute("INSERT INTO crm.odd VALUES ('acme', 'I-1')")
    with pytest.raises(Exception, match="violates foreign key"):
        crm.convert("I-1")
    assert crm.execute("SELECT id FROM crm.people") == [("I-1",)]
