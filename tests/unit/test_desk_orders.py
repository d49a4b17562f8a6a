"""What the desk previews is what the worker executes: both make the same order of a command, and keep all of it."""

from datetime import UTC, datetime, timedelta

import customer_events as wire
from merge_worker.adapters.merge_orders import merge_order
from review_desk.cases import PersonApproval, opened
from review_desk.merge_commands import approved, as_order, by_person

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVE = wire.Actor(id="eve", roles=("merge", "protected-data"))
CHOICE = wire.FieldChoice(field="email", from_customer_id="b")
ROWS = wire.RowChoice(table="store.tags", keep_ids=("1", "2"))


def _everything(model: type[wire.MergeCustomers] | type[wire.RecommendMerge]) -> dict[str, object]:
    fields: dict[str, object] = {
        "tenant_id": "t",
        "command_id": "c",
        "winner_id": "a",
        "loser_ids": ("b", "d"),
        "expected_versions": {"a": 3},
        "field_choices": (CHOICE, wire.FieldChoice(field="name", literal="Ann")),
        "row_choices": (ROWS,),
        "facilitator_id": "f",
        "waived_rules": ("SOME_RULE",),
        "follow_redirects": True,
        "after_command_id": "before",
        "not_before": NOW,
        "deadline": NOW + timedelta(days=1),
        "requested_by": EVE,
        "reason": "same",
        "candidate_id": "k",
        "candidate_revision": 7,
        "issued_at": NOW,
    }
    if model is wire.MergeCustomers:
        fields |= {"on_ineligible": wire.OnIneligible.WAIT, "approvals": (wire.Approval(by="eve", at=NOW),)}
    assert fields.keys() == model.model_fields.keys(), "a field of the contract is missing here"
    return fields


def test_desk_and_worker_make_the_same_order_of_a_merge() -> None:
    command = wire.MergeCustomers(**_everything(wire.MergeCustomers))
    assert as_order(command, first_seen_at=NOW) == merge_order(command, first_seen_at=NOW)


def test_desk_and_worker_make_the_same_order_of_a_recommendation() -> None:
    command = wire.RecommendMerge(**_everything(wire.RecommendMerge))
    assert as_order(command) == merge_order(command)


def test_an_approval_carries_out_all_that_was_recommended_but_waives_only_what_the_approver_waives() -> None:
    asked = wire.RecommendMerge(**_everything(wire.RecommendMerge))
    command = approved(asked, "new", EVE, reason="", waived_rules=["OTHER"], wait=True, not_before=None, now=NOW)
    decided_now = {"command_id", "waived_rules", "requested_by", "issued_at"}
    for name in wire.RecommendMerge.model_fields.keys() - decided_now:
        assert getattr(command, name) == getattr(asked, name), name
    assert command.waived_rules == ("OTHER",)
    assert command.on_ineligible is wire.OnIneligible.WAIT
    assert [one.by for one in command.approvals] == ["eve"]


def test_what_a_person_decides_about_a_case_is_all_in_its_command() -> None:
    case = opened(
        wire.MergeCandidateFound(
            tenant_id="t",
            candidate_id="a+b",
            revision=1,
            members=(wire.Member(customer_id="a", version=1), wire.Member(customer_id="b", version=1)),
            pair=wire.CandidatePair(a="a", b="b"),
            score=0.9,
            grade=wire.Grade.PROBABLE,
            evidence=(),
            model_version="m",
            safe_to_automate=True,
            detected_at=NOW,
        )
    )
    approval = PersonApproval(
        by="eve",
        roles=("merge", "protected-data"),
        at=NOW,
        reason="same",
        seen_members=frozenset("ab"),
        winner_id="a",
        field_choices=(("email", "b"),),
        row_choices=(("store.tags", ("1", "2")),),
        facilitator_id="f",
        waived_rules=("SOME_RULE",),
        not_before=NOW,
    )
    command = by_person(case, ["a", "b"], "a", approval, NOW)
    assert (command.field_choices, command.row_choices, command.facilitator_id) == ((CHOICE,), (ROWS,), "f")
    assert (command.waived_rules, command.not_before, command.requested_by) == (("SOME_RULE",), NOW, EVE)
