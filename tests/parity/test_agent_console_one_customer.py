"""Agent console, a helpdesk: two customers turn out to be one while an agent works on a case."""

from datetime import UTC, datetime, timedelta

import pytest

from parity.agent_console_rows import case, customer, inbox, owners, receive, record
from rig.processes import eventually
from rig.profile_world import LIMIT_S, TENANT, ProfileWorld


@pytest.mark.parity(system="Agent console", row="from-a-case")
def test_two_customers_are_merged_from_a_case_and_the_merge_says_which(agent_console: ProfileWorld) -> None:
    known = customer(agent_console, "Lena Brandt")
    writing = customer(agent_console, "lena b")
    number = case(agent_console, writing, "Parcel missing")
    ((at_hand,),) = agent_console.sql("SELECT customer_id::text FROM agent_console.cases WHERE case_no = :n", n=number)
    sent = agent_console.desk("merge", known, at_hand, "--reason", f"case {number}", "--as", "agent-7", "--json")
    assert sent.status == 0, sent.err
    eventually(lambda: record(agent_console, writing).state == "merged", LIMIT_S)
    assert owners(agent_console, number) == [known]
    (merge,) = agent_console.worker("status", known, "--json").json["merges"]
    told = agent_console.announced(merge["merge_id"])
    assert (told.actor, told.reason) == ("agent-7", f"case {number}")


@pytest.mark.parity(system="Agent console", row="search")
def test_the_other_record_is_found_by_name(agent_console: ProfileWorld) -> None:
    first = customer(agent_console, "Quentin Marlowe", email="qm@one.example")
    second = customer(agent_console, "Quentin Marlow", email="qm@two.example")
    customer(agent_console, "Petra Quast")
    for words in ("Quentin", "quentin mar"):
        found = agent_console.desk("search", "--name", words, "--json").json
        assert {one["customer_id"] for one in found} == {first, second}
    assert agent_console.desk("search", "--name", "Nobody Atall").status == 1


@pytest.mark.parity(system="Agent console", row="mismatched-values")
def test_the_agent_sees_the_values_that_differ_and_chooses_between_them(agent_console: ProfileWorld) -> None:
    winner = customer(agent_console, "Noor Haddad", company="Haddad Bikes", city="Basel", language="de")
    loser = customer(agent_console, "Noor H", company="Haddad Velos", phone="555 0123", language="en")
    choices = [
        {"field": "company", "from_customer_id": loser},
        {"field": "city", "literal": "Bern"},
    ]
    command = agent_console.merge(winner, loser, field_choices=choices)
    fields = {one["decision"]["field"]: one for one in agent_console.preview(command)["fields"]}
    assert fields["company"]["alternatives"] == {winner: "Haddad Bikes", loser: "Haddad Velos"}
    assert (fields["company"]["value"], fields["city"]["value"]) == ("Haddad Velos", "Bern")

    assert agent_console.outcome(command)["type"] == "MergeCompleted"
    now = record(agent_console, winner)
    assert (now.company, now.city, now.phone, now.language) == ("Haddad Velos", "Bern", "555 0123", "de")


@pytest.mark.parity(system="Agent console", row="in-process")
def test_a_confirmed_merge_is_in_process_until_it_is_complete(agent_console: ProfileWorld) -> None:
    winner, loser = customer(agent_console, "Ada Ferris"), customer(agent_console, "Ada F")
    number = case(agent_console, loser, "Refund")
    soon = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
    command = agent_console.merge(winner, loser, not_before=soon)
    assert agent_console.preview(command)["eligible"] is True  # looked at, then confirmed:
    assert agent_console.worker("submit", "-", commands=[command]).status == 0

    def in_process() -> bool:
        """What an agent sees who opens either record meanwhile."""
        seen = [agent_console.desk("account", one, "--json").json["open_requests"] for one in (winner, loser)]
        return all([one["status"] for one in requests] == ["approved"] for requests in seen)

    eventually(in_process, LIMIT_S)
    assert owners(agent_console, number) == [loser]
    eventually(lambda: owners(agent_console, number) == [winner], LIMIT_S)
    status = agent_console.worker("status", command["command_id"], "--json").json
    assert [one["status"] for one in status["requests"]] == ["merged"]
    assert agent_console.desk("account", winner, "--json").json["open_requests"] == []


@pytest.mark.parity(system="Agent console", row="inbox-names")
def test_the_name_in_every_inbox_row_becomes_the_surviving_customers(agent_console: ProfileWorld) -> None:
    winner, loser = customer(agent_console, "Samuel Okoro"), customer(agent_console, "sam o.")
    cases = [case(agent_console, loser, "One"), case(agent_console, loser, "Two"), case(agent_console, winner, "Three")]
    agent_console.merged(winner, loser)
    assert inbox(agent_console, *cases) == [(winner, "Samuel Okoro")] * 3


@pytest.mark.parity(system="Agent console", row="inbox-names")
def test_a_name_that_was_chosen_from_the_other_record_is_shown_in_the_inbox(agent_console: ProfileWorld) -> None:
    winner, loser = customer(agent_console, "j. doe"), customer(agent_console, "Jane Doe")
    cases = [case(agent_console, winner, "One"), case(agent_console, loser, "Two")]
    agent_console.merged(winner, loser, field_choices=[{"field": "display_name", "from_customer_id": loser}])
    assert inbox(agent_console, *cases) == [(winner, "Jane Doe")] * 2


@pytest.mark.parity(system="Agent console", row="all-cases")
def test_all_cases_current_and_past_come_under_one_customer(agent_console: ProfileWorld) -> None:
    winner, loser = customer(agent_console, "Ivo Lang"), customer(agent_console, "ivo l")
    cases = [
        case(agent_console, winner, "Past of the one", status="closed"),
        case(agent_console, loser, "Past of the other", status="closed"),
        case(agent_console, loser, "Waiting", status="waiting"),
        case(agent_console, loser, "Current"),
    ]
    agent_console.merged(winner, loser)
    assert owners(agent_console, *cases) == [winner] * 4
    written = agent_console.sql(
        "SELECT DISTINCT author_id::text FROM agent_console.messages WHERE case_no = ANY (:n)", n=cases
    )
    assert [row[0] for row in written] == [winner]


@pytest.mark.parity(system="Agent console", row="all-cases")
def test_what_agents_wrote_stays_theirs(agent_console: ProfileWorld) -> None:
    winner, loser = customer(agent_console, "Ole Berg"), customer(agent_console, "ole b")
    number = case(agent_console, loser, "Question")
    # an agent may happen to have the same id: a kind and an id name the author, never the id alone
    agent_console.sql(
        "INSERT INTO agent_console.messages (case_no, author_kind, author_id, body) VALUES (:n, 'agent', :id, 'Hello')",
        n=number,
        id=loser,
    )
    agent_console.merged(winner, loser)
    rows = agent_console.sql(
        "SELECT author_kind, author_id::text FROM agent_console.messages WHERE case_no = :n ORDER BY message_id",
        n=number,
    )
    assert [tuple(row) for row in rows] == [("customer", winner), ("agent", loser)]


@pytest.mark.parity(system="Agent console", row="later-replies")
def test_a_reply_from_either_address_reaches_the_merged_customer(agent_console: ProfileWorld) -> None:
    winner, loser = customer(agent_console, "Rosa Vidal"), customer(agent_console, "rosa v")
    number = case(agent_console, loser, "Broken link")
    agent_console.merged(winner, loser)
    went_to = [receive(agent_console, one, "still broken") for one in (winner, loser)]
    assert went_to == [number, number]
    assert set(inbox(agent_console, number)) == {(winner, "Rosa Vidal")}


@pytest.mark.parity(system="Agent console", row="later-replies")
def test_a_reply_that_a_gateway_still_files_under_the_old_id_is_brought_along(agent_console: ProfileWorld) -> None:
    winner, loser = customer(agent_console, "Tom Sutter"), customer(agent_console, "tom s")
    agent_console.merged(winner, loser)
    late = case(agent_console, loser, "Sent before the gateway heard")
    eventually(lambda: inbox(agent_console, late) == [(winner, "Tom Sutter")], LIMIT_S)
    assert owners(agent_console, late) == [winner]


@pytest.mark.parity(system="Agent console", row="later-replies")
def test_a_gateway_that_keeps_ids_is_told_who_the_old_one_is_now(agent_console: ProfileWorld) -> None:
    winner, loser = customer(agent_console, "Ann Rudd"), customer(agent_console, "ann r")
    agent_console.merged(winner, loser)
    assert agent_console.value("SELECT merge.canonical_id(:tenant, :id)", tenant=TENANT, id=loser) == winner
    (alias,) = eventually(
        lambda: [one.event for one in agent_console.told("customer-alias") if one.event.retired_id == loser], LIMIT_S
    )
    assert (alias.canonical_id, alias.version) == (winner, 1)


@pytest.mark.parity(system="Agent console", row="undo")
def test_a_wrong_merge_is_undone_with_cases_messages_and_names_where_they_were(agent_console: ProfileWorld) -> None:
    winner, loser = customer(agent_console, "Kim Ekberg", vip=False), customer(agent_console, "Kim Ekdahl", vip=True)
    cases = [case(agent_console, winner, "One"), case(agent_console, loser, "Two")]
    before = [tuple(record(agent_console, one)) for one in (winner, loser)]
    names = inbox(agent_console, *cases)
    merge_id = agent_console.merged(winner, loser)["merge_id"]
    assert inbox(agent_console, *cases) == [(winner, "Kim Ekberg")] * 2

    undone = agent_console.worker("unmerge", merge_id, "--wait")
    assert undone.status == 0, undone.err
    assert [tuple(record(agent_console, one)) for one in (winner, loser)] == before
    assert inbox(agent_console, *cases) == names
    assert owners(agent_console, *cases) == [winner, loser]


@pytest.mark.parity(system="Agent console", row="undo")
def test_a_reply_that_came_meanwhile_goes_back_with_the_case_it_belongs_to_or_is_reported(
    agent_console: ProfileWorld,
) -> None:
    winner, loser = customer(agent_console, "Udo Kern"), customer(agent_console, "Udo Kehrer")
    number = case(agent_console, loser, "Question")
    merge_id = agent_console.merged(winner, loser)["merge_id"]
    assert receive(agent_console, loser, "and another thing") == number
    assert agent_console.worker("unmerge", merge_id, "--wait").status == 0
    assert owners(agent_console, number) == [loser]
    # the new row was written under the survivor's own id: nobody guesses whose it is
    assert inbox(agent_console, number) == [(loser, "Udo Kehrer"), (winner, "Udo Kern")]
    assert record(agent_console, loser).state == "active"
