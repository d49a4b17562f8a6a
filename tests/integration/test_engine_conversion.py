"""Conversion between individual and organisation, on tables with foreign keys: what changes and what stays."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from customer_identity.merging import Refused, Unmerged
from customer_identity.merging.conversion import ConversionOrder, Converted, PartyType
from merge_engine import RootMoved
from rig.crm import ANN, Crm
from rig.fixtures import Connected
from rig.meeting import wait_until_blocked


@pytest.fixture
def crm(connected: Connected, tmp_path: Path) -> Crm:
    return Crm(connected("merge_worker"), tmp_path)


def test_an_individual_becomes_an_organisation_under_a_new_id_and_everything_follows(crm: Crm) -> None:
    for id_ in ("I-1", "I-2"):
        crm.person(id_)
    crm.execute("INSERT INTO crm.orders (company, person_id) VALUES ('acme', 'I-1'), ('acme', 'I-1'), ('acme', 'I-2')")
    crm.execute(
        "INSERT INTO crm.relationships (company, org_id, person_id, kind)"
        " VALUES ('acme', 'I-1', 'I-2', 'PRIMARY'), ('acme', 'I-2', 'I-1', 'FRIEND'), ('acme', 'I-1', 'I-1', 'SELF')"
    )
    crm.execute(
        "INSERT INTO crm.notes (company, owner_kind, owner_id)"
        " VALUES ('acme', 'person', 'I-1'), ('acme', 'parcel', 'I-1')"
    )
    crm.execute("UPDATE crm.people SET billed_to = 'I-1'")
    result = crm.convert("I-1")
    assert isinstance(result, Converted)
    assert (result.customer.id, result.customer.version) == ("O-1", 2)
    assert [(r.from_id, r.direct_to, r.canonical, r.version) for r in result.redirects] == [("I-1", "O-1", "O-1", 1)]
    assert {one.table: one.rows for one in result.moved} == {"crm.orders": 2, "crm.relationships": 3, "crm.notes": 1}
    assert crm.execute("SELECT id, kind, email, birth_date::text, name, billed_to FROM crm.people ORDER BY id") == [
        ("I-2", "IND", "I-2@example.com", "1980-01-02", "Name", "O-1"),
        ("O-1", "ORG", None, None, "Name", "O-1"),
    ]
    assert crm.execute("SELECT person_id, count(*) FROM crm.orders GROUP BY 1 ORDER BY 1") == [("I-2", 1), ("O-1", 2)]
    assert crm.execute("SELECT org_id, person_id FROM crm.relationships ORDER BY id") == [
        ("O-1", "I-2"),
        ("I-2", "O-1"),
        ("O-1", "O-1"),
    ]
    assert crm.execute("SELECT owner_kind, owner_id FROM crm.notes ORDER BY id") == [
        ("person", "O-1"),
        ("parcel", "I-1"),
    ]
    assert crm.map() == {"I-1": ("O-1", "O-1", 1)}
    assert crm.findings() == []


def test_the_audit_keeps_who_converted_whom_and_the_record_as_it_was(crm: Crm) -> None:
    crm.person("I-1")
    crm.execute("INSERT INTO crm.orders (company, person_id) VALUES ('acme', 'I-1')")
    crm.convert("I-1")
    (row,) = crm.execute(
        "SELECT customer_id, new_id, from_type, to_type, actor, reason, cleared, moved, before FROM merge.conversions"
    )
    assert row[:7] == (
        "I-1",
        "O-1",
        "INDIVIDUAL",
        "ORGANISATION",
        "ann",
        "a shop after all",
        ["email", "birth_date"],
    )
    assert row[7]["crm.orders"] == 1  # type: ignore[index]
    assert (row[8]["email"], row[8]["kind"]) == ("I-1@example.com", "IND")  # type: ignore[index]


def test_who_was_merged_into_the_customer_is_the_new_id_now(crm: Crm) -> None:
    for id_ in ("I-1", "I-2", "I-3"):
        crm.person(id_)
    crm.merge("I-2", "I-3")
    crm.merge("I-1", "I-2")
    result = crm.convert("I-1")
    assert isinstance(result, Converted)
    assert crm.map() == {
        "I-1": ("O-1", "O-1", 1),
        "I-2": ("O-1", "I-1", 2),
        "I-3": ("O-1", "I-2", 3),
    }
    assert crm.execute("SELECT id, merged_into FROM crm.people ORDER BY id") == [
        ("I-2", "O-1"),
        ("I-3", "O-1"),
        ("O-1", None),
    ]
    assert crm.findings() == []


def test_rows_written_late_under_a_merged_away_id_find_the_converted_customer(crm: Crm) -> None:
    for id_ in ("I-1", "I-2"):
        crm.person(id_)
    crm.merge("I-1", "I-2")
    crm.convert("I-1")
    crm.execute("INSERT INTO crm.orders (company, person_id) VALUES ('acme', 'I-2')")
    crm.execute("INSERT INTO crm.notes (company, owner_kind, owner_id) VALUES ('acme', 'person', 'I-1')")
    with crm.engine.begin() as connection:
        assert crm.merges.reconcile(connection, 10) == 2
    assert crm.execute("SELECT person_id FROM crm.orders") == [("O-1",)]
    assert crm.execute("SELECT owner_id FROM crm.notes") == [("O-1",)]
    assert crm.findings() == []


def test_a_merge_made_before_a_conversion_is_taken_apart_after_converting_back(crm: Crm) -> None:
    for id_ in ("I-1", "I-2"):
        crm.person(id_)
    crm.execute("INSERT INTO crm.orders (company, person_id) VALUES ('acme', 'I-2')")
    merged = crm.merge("I-1", "I-2")
    crm.convert("I-1")
    assert isinstance(crm.unmerge(merged.merge_id), Refused)
    crm.convert("O-1", PartyType.INDIVIDUAL)
    undone = crm.unmerge(merged.merge_id)
    assert isinstance(undone, Unmerged)
    assert crm.execute("SELECT person_id FROM crm.orders") == [("I-2",)]
    assert crm.execute("SELECT id, merged_into FROM crm.people ORDER BY 1") == [("I-1", None), ("I-2", None)]
    assert crm.findings() == []


def test_a_customer_converted_back_has_its_old_id_again(crm: Crm) -> None:
    for id_ in ("I-1", "I-2"):
        crm.person(id_)
    crm.merge("I-1", "I-2")
    crm.convert("I-1")
    back = crm.convert("O-1", PartyType.INDIVIDUAL)
    assert isinstance(back, Converted)
    assert back.cleared == ()
    assert crm.map() == {"I-1": ("I-1", "I-1", 2), "I-2": ("I-1", "I-1", 3), "O-1": ("I-1", "I-1", 1)}
    assert crm.execute("SELECT id, kind FROM crm.people WHERE id <> 'I-2'") == [("I-1", "IND")]
    assert crm.findings() == []
    again = crm.convert("I-1")
    assert isinstance(again, Converted)
    assert crm.map()["O-1"] == ("O-1", "O-1", 2)
    assert crm.findings() == []


def test_a_converted_customer_can_be_merged_and_old_ids_keep_resolving(crm: Crm) -> None:
    for id_ in ("I-1", "O-9"):
        crm.person(id_, "IND" if id_.startswith("I") else "ORG")
    crm.convert("I-1")
    crm.merge("O-9", "O-1")
    assert crm.map() == {"I-1": ("O-9", "O-1", 2), "O-1": ("O-9", "O-9", 1)}
    assert crm.execute("SELECT merge.canonical_id('acme', 'I-1'), merge.canonical_id('acme', 'x')") == [("O-9", "x")]


def test_the_primary_contact_is_kept_or_added(crm: Crm) -> None:
    for id_ in ("I-1", "I-2"):
        crm.person(id_)
    for _ in range(2):
        converted = crm.convert("I-1", contact_id="I-2")
        assert isinstance(converted, Converted)
        assert crm.execute("SELECT org_id, person_id, kind FROM crm.relationships") == [("O-1", "I-2", "PRIMARY")]
        crm.convert("O-1", PartyType.INDIVIDUAL)


def test_without_prefixes_the_id_stays_and_nothing_is_redirected(crm: Crm) -> None:
    crm.merges = crm.load("conversion: {clear: [email]}")
    crm.person("I-1")
    result = crm.convert("I-1")
    assert isinstance(result, Converted)
    assert (result.customer.id, result.redirects, result.moved) == ("I-1", (), ())
    assert crm.execute("SELECT id, kind, rev, email, birth_date::text FROM crm.people") == [
        ("I-1", "ORG", 2, None, "1980-01-02")
    ]
    assert crm.map() == {}


def test_customers_of_other_tenants_with_the_same_id_are_left_alone(crm: Crm) -> None:
    crm.person("I-1")
    crm.person("I-1", company="other")
    crm.execute("INSERT INTO crm.orders (company, person_id) VALUES ('other', 'I-1')")
    crm.convert("I-1")
    assert crm.execute("SELECT company, id FROM crm.people ORDER BY 1") == [("acme", "O-1"), ("other", "I-1")]
    assert crm.execute("SELECT company, person_id FROM crm.orders") == [("other", "I-1")]


def test_a_merge_that_waited_for_a_conversion_starts_over_on_fresh_ids(crm: Crm) -> None:
    for id_ in ("I-1", "I-2"):
        crm.person(id_)
    order = ConversionOrder(
        tenant_id="acme",
        command_id="c",
        customer_id="I-1",
        to_type=PartyType.ORGANISATION,
        contact_id=None,
        requested_by=ANN,
        reason="a shop",
    )
    with ThreadPoolExecutor(1) as pool:
        with crm.engine.begin() as connection:
            assert isinstance(crm.merges.convert(connection, order), Converted)
            waiting = pool.submit(crm.merge, "I-1", "I-2")
            wait_until_blocked(crm.engine)
        with pytest.raises(RootMoved):
            waiting.result(30)
    assert crm.findings() == []
