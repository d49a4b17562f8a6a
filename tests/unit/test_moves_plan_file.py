"""The grammar of child moves and dispositions: what parses, and what is refused with a reason."""

from typing import Any

import pytest
from pydantic import ValidationError

from merge_engine.plan_file import Plan
from rig.people_world import CHILDREN, DELETE, INACTIVATE, LINK

ORDERS = {"table": "s.orders", "move": "repoint"}
TAGS = {"table": "s.tags", "move": "repoint_unique", "unique": ["tag"], "collision": {"policy": "keep_winner"}}
CONSENT = {"channel": "channel", "granted": "granted", "evidence": "evidence"}


def _plan(*children: dict[str, Any], disposition: dict[str, Any] | None = None) -> Plan:
    return Plan.model_validate(
        {
            "name": "test",
            "revision": 1,
            "customer": {"table": "s.customers", "key": {"column": "id"}},
            "disposition": disposition or LINK,
            "fields": {"name": "WINNER_STRICT"},
            "children": children,
        }
    )


def test_every_move_with_all_its_options_parses() -> None:
    assert len(_plan(*(dict(child) for child in CHILDREN)).children) == len(CHILDREN)


@pytest.mark.parametrize("disposition", [LINK, INACTIVATE, DELETE], ids=lambda disposition: str(disposition["kind"]))
def test_every_disposition_parses_and_says_what_it_sets(disposition: dict[str, Any]) -> None:
    parsed = _plan(disposition=disposition).disposition
    assert parsed.kind == disposition["kind"]
    assert parsed.set == disposition.get("set", {})
    assert parsed.column == disposition.get("column")


def test_one_table_may_stand_for_each_of_its_customer_columns() -> None:
    plan = _plan(ORDERS, {**ORDERS, "customer": "payer"}, {**ORDERS, "customer": "agent", "facilitator": True})
    assert [child.customer for child in plan.children] == [None, "payer", "agent"]


def test_one_table_may_stand_for_each_kind_of_its_rows() -> None:
    kept = {"table": "s.orders", "move": "keep_on_loser", "where": {"kind": "OLD"}}
    assert len(_plan({**ORDERS, "where": {"kind": "NEW"}}, kept).children) == 2


REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "same column twice": ([ORDERS, ORDERS], "stands more than once"),
    "same column twice, one without where": ([ORDERS, {**ORDERS, "where": {"kind": "A"}}], "no where of its own"),
    "same column and where twice": ([{**ORDERS, "where": {"kind": "A"}}] * 2, "no where of its own"),
    "the winner's own record put aside": (
        [{"table": "s.customers", "customer": "parent", "move": "repoint", "to_itself": "remove"}],
        "the winner's own record",
    ),
    "unknown move": ([{"table": "s.orders", "move": "teleport"}], "teleport"),
    "unknown policy": ([{**TAGS, "collision": {"policy": "luck"}}], "luck"),
    "policy without its column": ([{**TAGS, "collision": {"policy": "newest"}}], "need a column"),
    "column without its policy": ([{**TAGS, "collision": {"policy": "keep_loser", "column": "at"}}], "take none"),
    "losing rows where none loses": (
        [{**TAGS, "collision": {"policy": "block", "losing_rows": "keep_on_loser"}}],
        "no row loses",
    ),
    "evidence without consent": (
        [{**TAGS, "collision": {"policy": "latest_evidence", "column": "at"}}],
        "needs consent",
    ),
    "consent by a policy that may lose an opt-out": ([{**TAGS, "consent": CONSENT}], "most_restrictive"),
    "a consent that stays behind": (
        [
            {
                **TAGS,
                "consent": CONSENT,
                "collision": {"policy": "most_restrictive", "column": "granted", "losing_rows": "keep_on_loser"},
            }
        ],
        "must not stay",
    ),
    "refreshed rows for a facilitator": (
        [{**ORDERS, "facilitator": True, "refresh": {"buyer": "name"}}],
        "facilitator",
    ),
    "rows that are the customer's for a while": ([{**ORDERS, "where": {"at": {"within_days": 3}}}], "within_days"),
    "nothing to sum": ([{"table": "s.points", "move": "sum_into_winner", "sum": []}], "at least 1"),
    "unknown option": ([{**ORDERS, "unique": ["x"]}], "unique"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_plan_that_cannot_be_meant_is_refused_with_a_reason(case: str) -> None:
    children, reason = REFUSED[case]
    with pytest.raises(ValidationError, match=reason):
        _plan(*children)


@pytest.mark.parametrize(
    "disposition",
    [{"kind": "link"}, {"kind": "inactivate"}, {"kind": "inactivate", "set": {}}, {"kind": "delete", "set": {"a": 1}}],
)
def test_a_disposition_that_says_too_little_or_too_much_is_refused(disposition: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _plan(disposition=disposition)
