"""The detector's handler on real PostgreSQL: what it tells of, batch after batch, without a bus between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import customer_events as wire
from customer_identity.matching.index import duplicates_code, records_code
from dedupe_detector.adapters.postgres_index import PostgresIndex
from rig.bare_detector import Detector, received
from rig.detector_world import PACKAGES, TENANT, created, erased, merged, not_duplicate, person, updated
from rig.fixtures import Migrated


def _pairs(events: list[Any]) -> list[tuple[str, str]]:
    return sorted((e.pair.a, e.pair.b) for e in events if isinstance(e, wire.MergeCandidateFound))


def _withdrawals(events: list[Any]) -> list[str]:
    return [e.reason.value for e in events if isinstance(e, wire.MergeCandidateWithdrawn)]


def test_a_candidate_names_versions_evidence_and_whether_it_may_be_automated(detector: Detector) -> None:
    (found,) = detector.receive(created("A", version=3, **person(1)), created("B", version=5, **person(1)))
    assert [(member.customer_id, member.version) for member in found.members] == [("A", 3), ("B", 5)]
    assert found.grade is wire.Grade.CERTAIN
    assert found.score > 0.99
    assert found.safe_to_automate
    assert found.blocked_because == ()
    assert {evidence.field for evidence in found.evidence} >= {"given_name", "family_name", "email", "date_of_birth"}
    assert found.model_version


def test_the_same_record_again_and_an_older_version_change_nothing(detector: Detector) -> None:
    detector.receive(created("A", version=2, **person(1)), created("B", version=2, **person(1)))
    detector.receive(created("A", version=2, **person(1)))
    detector.receive(created("A", version=1, **person(9)), updated("B", version=1, **person(8)))
    assert len(detector.told) == 1


def test_of_several_versions_in_one_batch_the_newest_counts(detector: Detector) -> None:
    detector.receive(
        updated("A", version=3, **person(1)), created("A", version=1, **person(2)), created("B", **person(1))
    )
    assert _pairs(detector.told) == [("A", "B")]
    assert detector.sql("SELECT version FROM detector.records WHERE customer_id = 'A'")[0].version == 3


def test_keys_and_counters_follow_an_update(detector: Detector) -> None:
    detector.receive(created("A", **person(1)))
    before = _index(detector)
    detector.receive(updated("A", version=2, **person(2)))
    detector.receive(updated("A", version=3, **person(1)))
    assert _index(detector) == before


def test_an_erased_customer_stays_erased_and_its_candidates_are_withdrawn(detector: Detector) -> None:
    detector.receive(created("B", **person(1)))
    empty = _index(detector)
    detector.receive(created("A", **person(1)))
    assert _withdrawals(detector.receive(erased("A", version=2))) == ["ERASED"]
    detector.receive(updated("A", version=7, **person(1)))
    detector.receive(updated("B", version=2, **person(1)))

    assert _pairs(detector.told) == [("A", "B")]
    (row,) = detector.sql("SELECT comparable, erased FROM detector.records WHERE customer_id = 'A'")
    assert (row.comparable, row.erased) == (None, True)
    assert _index(detector) == empty, "keys or counts of the erased customer are left"


def test_an_erasure_that_comes_before_the_customer_still_holds(detector: Detector) -> None:
    detector.receive(erased("A", version=1))
    detector.receive(created("A", version=9, **person(1)), created("B", **person(1)))
    assert detector.told == []


def test_a_candidate_is_withdrawn_when_an_update_takes_its_evidence_away(detector: Detector) -> None:
    (found,) = detector.receive(created("A", **person(1)), created("B", **person(1)))
    (withdrawn,) = detector.receive(updated("B", version=2, **person(2)))
    assert withdrawn.reason is wire.WithdrawalReason.EVIDENCE_CHANGED
    assert withdrawn.candidate_id == found.candidate_id
    assert withdrawn.revision > found.revision
    (again,) = detector.receive(updated("B", version=3, **person(1)))
    assert again.candidate_id == found.candidate_id
    assert again.revision > withdrawn.revision


def test_an_update_that_changes_the_evidence_but_not_the_grade_is_not_told_of(detector: Detector) -> None:
    detector.receive(created("A", **person(1)), created("B", **person(1)))
    assert detector.receive(updated("B", version=2, **{**person(1), "city": "Elsewhere"})) == []


def test_a_pair_marked_not_duplicate_stays_quiet_until_its_evidence_changes(detector: Detector) -> None:
    alike = {key: value for key, value in person(1).items() if key != "phone"}
    (found,) = detector.receive(created("A", **alike), created("B", **alike))
    assert _withdrawals(detector.receive(not_duplicate("A", "B"))) == ["NOT_DUPLICATE"]
    assert detector.receive(updated("A", version=2, **alike), updated("B", version=2, **alike)) == []

    (again,) = detector.receive(updated("A", version=3, **person(1)), updated("B", version=3, **person(1)))
    assert again.candidate_id == found.candidate_id
    assert again.revision > found.revision


def test_a_pair_marked_not_duplicate_before_it_was_found_is_not_told_of(detector: Detector) -> None:
    detector.receive(not_duplicate("A", "B"))
    assert detector.receive(created("A", **person(1)), created("B", **person(1))) == []


def test_a_withdrawn_not_duplicate_lets_the_pair_be_found_again(detector: Detector) -> None:
    detector.receive(created("A", **person(1)), created("B", **person(1)))
    detector.receive(not_duplicate("A", "B"))
    assert _pairs(detector.receive(not_duplicate("A", "B", withdrawn=True))) == [("A", "B")]


def test_a_candidate_of_members_marked_not_duplicate_may_not_be_automated(detector: Detector) -> None:
    detector.receive(merged("A", "B", version=1), not_duplicate("B", "C"))
    found = [e for e in detector.receive(created("A", **person(1)), created("C", **person(1))) if e.pair.b == "C"]
    assert found
    assert all("NOT_DUPLICATE" in event.blocked_because and not event.safe_to_automate for event in found)


def test_after_a_merge_the_pair_is_withdrawn_and_the_next_candidate_names_all_members(detector: Detector) -> None:
    detector.receive(created("A", **person(1)), created("B", **person(1)))
    assert _withdrawals(detector.receive(merged("A", "B", version=1))) == ["ALREADY_MERGED"]
    later = detector.receive(created("C", **person(1)))
    assert later
    assert all([member.customer_id for member in event.members] == ["A", "B", "C"] for event in later)
    assert detector.receive(updated("B", version=2, **person(1))) == [], "two records of one identity are no candidate"


def test_an_older_redirect_does_not_undo_a_newer_one(detector: Detector) -> None:
    detector.receive(merged("C", "A", version=2))
    detector.receive(merged("B", "A", version=1))
    assert detector.sql("SELECT canonical_id FROM detector.identities WHERE customer_id = 'A'")[0].canonical_id == "C"


def test_customers_taken_apart_again_are_not_proposed(detector: Detector) -> None:
    detector.receive(created("A", **person(1)), created("B", **person(1)))
    detector.receive(merged("A", "B", version=1))
    detector.receive(_unmerged("A", "B", version=2))
    assert detector.receive(updated("A", version=2, **person(1)), updated("B", version=2, **person(1))) == []


def test_two_that_left_an_identity_together_are_proposed_again(detector: Detector) -> None:
    detector.receive(*(created(one, **person(1)) for one in "ABC"))
    detector.receive(merged("A", "B", version=1))
    detector.receive(merged("A", "C", version=1))
    told = detector.receive(_unmerged("A", "B", "C", version=2))
    assert _pairs(told) == [("B", "C")]


def test_a_converted_customer_is_no_duplicate_of_its_old_id(detector: Detector) -> None:
    detector.receive(created("A", **person(1)), created("C", **person(1)))
    detector.receive(_converted("A", "B"))
    told = detector.receive(created("B", **person(1)))
    assert ("A", "B") not in _pairs(told)
    assert [member.customer_id for event in told for member in event.members] == ["A", "B", "C"]


def test_a_converted_customer_that_was_told_of_with_its_new_id_is_withdrawn(detector: Detector) -> None:
    detector.receive(created("A", **person(1)), created("B", **person(1)))
    assert _withdrawals(detector.receive(_converted("A", "B"))) == ["ALREADY_MERGED"]


def test_a_candidate_does_not_name_members_that_were_erased(detector: Detector) -> None:
    detector.receive(merged("A", "B", version=1), created("A", **person(1)), created("B", **person(1)))
    detector.receive(erased("B", version=2))
    (told,) = detector.receive(created("C", **person(1)))
    assert [member.customer_id for member in told.members] == ["A", "C"]


def test_what_others_do_does_not_bring_up_again_what_a_person_has_decided(detector: Detector) -> None:
    """Somebody else with the same phone, or more people of one name, change the score and not the pair."""
    detector.receive(created("A", **person(1)), created("B", **person(1)))
    detector.receive(not_duplicate("A", "B"))
    stranger = person(5) | {"phone": person(1)["phone"]}
    detector.receive(created("C", **stranger), *(created(f"N{n}", **person(n)) for n in range(100, 110)))
    told = detector.receive(updated("A", version=2, **person(1)), updated("B", version=2, **person(1)))
    assert _pairs(told) == []


def test_nothing_of_an_erased_customer_is_left_in_the_schema(detector: Detector) -> None:
    """Neither values nor hashes of them: counters and shared identifiers are hashes of what somebody held."""
    stranger = person(2) | {"phone": person(1)["phone"], "email": person(1)["email"]}
    detector.receive(created("A", **person(1)), created("B", **stranger), created("C", **person(1)))
    detector.receive(not_duplicate("A", "C"))
    entries = PostgresIndex(detector.engine.connect()).entries_of([(TENANT, one) for one in "ABC"])
    codes = {code for e in entries for code in (*e.counters(), *e.identifiers(), *e.blocking_keys().codes)}
    codes -= {records_code(TENANT)}
    assert _rows_with(detector, codes), "else this looks in the wrong place"
    detector.receive(*(erased(one, version=2) for one in "ABC"))

    assert _rows_with(detector, codes) == []
    values = {str(value).lower() for one in (person(1), stranger) for value in one.values() if value != "US"}
    tables = detector.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'detector'")
    for (table,) in tables:
        told = " ".join(row[0].lower() for row in detector.sql(f"SELECT t::text FROM detector.{table} t"))
        assert not [value for value in values if value in told], table


def test_customers_of_two_tenants_never_meet(detector: Detector) -> None:
    assert detector.receive(created("A", tenant="one", **person(1)), created("B", tenant="two", **person(1))) == []


def test_commands_that_are_not_for_the_detector_are_left_alone(detector: Detector) -> None:
    command = wire.MergeCustomers(
        tenant_id=TENANT,
        command_id="c",
        winner_id="A",
        loser_ids=("B",),
        requested_by=wire.Actor(id="sam", roles=("merge",)),
        reason="test",
        issued_at=datetime.now(UTC),
    )
    assert detector.receive(command) == []


def test_a_pair_that_two_workers_match_at_once_is_told_of_by_one(migrated: Migrated) -> None:
    url = migrated(*PACKAGES)
    one, other = Detector(url), Detector(url)
    people = range(40)
    left = [received(created(f"A{n}", **person(n)), n) for n in people]
    right = [received(created(f"B{n}", **person(n)), n) for n in people]
    one.prepare(left)
    other.prepare(right)
    with ThreadPoolExecutor(2) as pool:
        handled = [pool.submit(one.handle, left), pool.submit(other.handle, right)]
        found = _pairs([event for future in handled for event in future.result(60)])
    assert found == sorted((f"A{n}", f"B{n}") for n in people)
    for detector in (one, other):
        detector.engine.dispose()


def test_a_batch_handled_again_after_a_crash_tells_of_everything_once(detector: Detector) -> None:
    batch = [received(created(f"{side}{n}", **person(n)), n) for n in range(10) for side in "AB"]
    detector.prepare(batch)
    detector.prepare(batch)
    assert _pairs(detector.handle(batch)) == sorted((f"A{n}", f"B{n}") for n in range(10))
    assert detector.handle(batch) == []


def _index(detector: Detector) -> tuple[list[Any], list[Any]]:
    postings = detector.sql("SELECT code, number FROM detector.postings ORDER BY code, number")
    # The number of pairs ever found is a fact about the base, not about a customer: it stays.
    counters = "SELECT code, held FROM detector.counters WHERE held <> 0 AND code <> :found ORDER BY code"
    return postings, detector.sql(counters, found=duplicates_code(TENANT))


def _rows_with(detector: Detector, codes: set[int]) -> list[Any]:
    statement = " UNION ALL ".join(
        f"SELECT '{table}', code FROM detector.{table} WHERE code = ANY(:codes)"
        for table in ("postings", "counters", "contested")
    )
    return detector.sql(statement, codes=sorted(codes))


def _converted(old: str, new: str) -> wire.CustomerConverted:
    return wire.CustomerConverted(
        tenant_id=TENANT,
        customer_id=old,
        new_id=new,
        to_type=wire.CustomerType.ORGANISATION,
        redirects=(wire.Redirect(from_=old, direct_to=new, canonical=new, version=1),),
    )


def _unmerged(winner: str, *losers: str, version: int) -> wire.CustomerUnmerged:
    return wire.CustomerUnmerged(
        tenant_id=TENANT,
        unmerge_id="u1",
        merge_id="m1",
        command_id="c2",
        mode=wire.UnmergeMode.LINEAR,
        from_id=winner,
        restored=tuple(wire.VersionedId(id=loser, version=3) for loser in losers),
        redirects=tuple(wire.Redirect(from_=one, direct_to=one, canonical=one, version=version) for one in losers),
        at=datetime.now(UTC),
    )
