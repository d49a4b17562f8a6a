"""Fields decided again after a loser has gone: what nobody touched follows, what somebody wrote stays."""

from datetime import timedelta

from customer_identity.merging import FieldChoice
from customer_identity.merging.deciding_again import PastMerge, decide_again
from customer_identity.merging.identity import Member
from customer_identity.merging.policy import FieldPolicy, MergePolicy
from customer_identity.merging.rules import RuleBook

POLICY = MergePolicy(
    version="p/1",
    fields=(
        FieldPolicy(field="job", strategy="WINNER_THEN_FILL", fact=0),
        FieldPolicy(field="seen", strategy="MAX", fact=1),
    ),
    rules=RuleBook.of(()),
    winner_preferences=(),
    undo_window=timedelta(days=1),
)


def _member(customer_id: str, job: str | None, seen: int | None) -> Member:
    return Member(
        customer_id=customer_id,
        tenant_id="t",
        version=1,
        direct_to=customer_id,
        alias_version=0,
        facts=(job, seen),
    )


def _merge(
    merge_id: str, *losers: Member, choices: tuple[FieldChoice, ...] = (), **wrote: tuple[object, object]
) -> PastMerge:
    return PastMerge(
        merge_id=merge_id,
        losers=losers,
        before={field: was for field, (was, _) in wrote.items()},
        wrote={field: now for field, (_, now) in wrote.items()},
        choices=choices,
    )


def test_a_field_that_only_the_gone_loser_filled_is_empty_again_and_a_later_one_fills_it() -> None:
    gone = _merge("m1", job=(None, "baker"))
    later = _merge("m2", _member("y", "smith", 3), seen=(1, 3))
    values, (first, second) = decide_again(_member("w", "baker", 3), [gone, later], {"x"}, POLICY)
    assert values == {"job": "smith", "seen": 3}
    assert (first.wrote, first.stuck) == ({}, ())
    assert (second.before, second.wrote) == ({"job": None, "seen": 1}, {"job": "smith", "seen": 3})


def test_what_somebody_wrote_since_stays_and_is_told() -> None:
    values, (only,) = decide_again(_member("w", "judge", 1), [_merge("m1", job=(None, "baker"))], {"x"}, POLICY)
    assert values["job"] == "judge"
    assert only.stuck == ("job",)


def test_a_choice_of_a_gone_record_gives_way_and_a_literal_stands() -> None:
    chosen = (FieldChoice(field="job", from_customer_id="x"), FieldChoice(field="seen", literal="9"))
    merge = _merge("m1", _member("y", "smith", 3), choices=chosen, job=("clerk", "baker"), seen=(1, 9))
    values, _ = decide_again(_member("w", "baker", 9), [merge], {"x"}, POLICY)
    assert values == {"job": "clerk", "seen": 9}
