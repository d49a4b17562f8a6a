from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import customer_events as wire
from customer_identity import merging
from event_runtime.codec import Codec, SchemaStore
from event_runtime.drafts import Draft, Place, Unplaced, placed_body
from event_runtime.output import plain, show_table
from event_runtime.publisher import Publisher
from event_runtime.records import MessageKey
from merge_worker.adapters.commands import Command, NotACommand
from merge_worker.adapters.merge_orders import merge_order, unsound
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.stream_events import OutsideContract

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
CODEC = Codec(SchemaStore(wire.schemas_directory()), wire.CATALOGUE)
OUTCOMES = Outcomes(publisher=Publisher(CODEC, wire.CATALOGUE, "/test"), systems=("crm",))
PLACE = Place(stream=3, sequence=7, prev_hash=bytes(32))


def _command(**more: Any) -> wire.MergeCustomers:
    fields: dict[str, Any] = {
        "tenant_id": "t",
        "command_id": "c",
        "winner_id": "a",
        "loser_ids": ("b",),
        "requested_by": wire.Actor(id="ann", roles=("merge",)),
        "reason": "same",
        "issued_at": NOW,
    }
    return wire.MergeCustomers(**(fields | more))


def _merged() -> merging.Merged:
    return merging.Merged(
        order=merge_order(_command()),
        merge_id="m",
        winner=merging.VersionedId(id="a", version=2),
        losers=(merging.LoserResult(id="b", version=2, disposition=merging.Disposition.LINK),),
        redirects=(
            merging.Redirect(from_id="b", direct_to="a", canonical="a", version=1),
            merging.Redirect(from_id="z", direct_to="b", canonical="a", version=2),
        ),
        external_ids=(),
        moved=(
            merging.Moved(table="orders", rows=2, collisions=0),
            merging.Moved(table="tags", rows=0, collisions=1),
            merging.Moved(table="tickets", rows=0, collisions=0),
        ),
        field_decisions=(),
        consent_decisions=(),
        undoable_until=NOW,
        policy_version="default 1",
        warnings=(merging.RuleWarning(rule="BOTH_ACTIVELY_USED", message="both"),),
        merged_at=NOW,
    )


def _event(draft: Draft) -> Any:
    body = placed_body(draft.body, PLACE) if isinstance(draft.body, Unplaced) else draft.body
    assert body is not None
    return CODEC.decode(body)


def test_a_merge_is_told_as_itself_then_its_aliases_then_its_completion_which_answers_the_command() -> None:
    drafts = OUTCOMES.merged(_merged())
    assert [draft.event_type for draft in drafts] == [
        "CustomerMerged",
        "CustomerAlias",
        "CustomerAlias",
        "MergeCompleted",
    ]
    assert [draft.answers for draft in drafts] == [None, None, None, MessageKey("t", "c")]
    assert [draft.key for draft in drafts[1:3]] == [b"t:b", b"t:z"]
    assert len({draft.event_id for draft in drafts}) == 4
    assert [draft.event_id for draft in OUTCOMES.merged(_merged())] == [draft.event_id for draft in drafts]
    completed = _event(drafts[-1])
    assert (completed.stream, completed.sequence, completed.warnings[0].rule) == (3, 7, "BOTH_ACTIVELY_USED")


def test_tables_in_which_nothing_was_found_are_left_out() -> None:
    merged = _event(OUTCOMES.merged(_merged())[0])
    assert [(one.table, one.rows, one.collisions) for one in merged.moved] == [("orders", 2, 0), ("tags", 0, 1)]


def test_each_configured_system_must_acknowledge_in_the_event_and_in_the_ledger() -> None:
    merged = _event(OUTCOMES.merged(_merged())[0])
    (expected,) = OUTCOMES.required_acks(_merged())
    assert [(one.system, one.due_at) for one in merged.required_acks] == [(expected.system, expected.due_at)]


def test_the_refusal_of_a_reused_key_answers_nothing_and_has_an_id_of_its_own() -> None:
    command = Command.of(_command())
    reused = OUTCOMES.key_reused(command, b"other", NOW)
    rejected = OUTCOMES.rejected(command, wire.Stage.VALIDATION, [], NOW)
    assert reused.answers is None
    assert rejected.answers == MessageKey("t", "c")
    assert reused.event_id != rejected.event_id


def test_an_event_that_is_no_command_is_not_taken_for_one() -> None:
    with pytest.raises(NotACommand):
        Command.of(_event(OUTCOMES.merged(_merged())[0]))


@pytest.mark.parametrize(
    ("command", "rules"),
    [
        (_command(), []),
        (_command(loser_ids=("b", "c", "b")), ["LOSER_REPEATED"]),
        (_command(winner_id=None, loser_ids=("b", "c")), []),
        (_command(winner_id=None), ["TOO_FEW_CUSTOMERS"]),
        (_command(winner_id=None, loser_ids=("b", "b")), ["LOSER_REPEATED", "TOO_FEW_CUSTOMERS"]),
        (_command(after_command_id="c"), ["AFTER_ITSELF"]),
        (_command(not_before=NOW, deadline=NOW), ["NEVER_IN_TIME"]),
        (_command(not_before=NOW, deadline=NOW + timedelta(seconds=1)), []),
    ],
)
def test_commands_unsound_in_themselves_are_found(command: wire.MergeCustomers, rules: list[str]) -> None:
    assert [error.rule for error in unsound(command)] == rules


def test_a_value_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("T", ("a", "b"), [("x\x1b[2J\ny", None)])
    assert capsys.readouterr().out == "# T\na\tb\nx [2J y\t\n"


def test_results_become_json_with_their_field_names() -> None:
    assert plain({"redirects": _merged().redirects[:1], "at": NOW}) == {
        "redirects": [{"from_id": "b", "direct_to": "a", "canonical": "a", "version": 1}],
        "at": "2025-03-01T12:00:00+00:00",
    }


@pytest.mark.parametrize(
    "beyond",
    [
        {"redirects": _merged().redirects[:1] * (wire.MAX_ITEMS + 1)},
        {"winner": merging.VersionedId(id="a", version=-1)},
        {"losers": (merging.LoserResult(id="b", version=-1, disposition=merging.Disposition.LINK),)},
    ],
    ids=["redirects", "version of the winner", "version of a loser"],
)
def test_a_merge_that_no_reader_could_be_told_of_is_none(beyond: dict[str, Any]) -> None:
    with pytest.raises(OutsideContract):
        OUTCOMES.merged(replace(_merged(), **beyond))
