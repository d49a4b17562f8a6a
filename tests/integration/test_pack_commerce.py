"""Every rule of the commerce pack: what it stops, on which side, for how long, and what it lets pass."""

from pathlib import Path

import pytest

from customer_identity.merging import FieldChoice, Merged, Refused
from merge_engine import MergeEngine
from rig import rule_cases
from rig.fixtures import Connected
from rig.rule_cases import Case, item, order

PLAN = (
    rule_cases.HEAD
    + """
packs: [commerce]
fields:
  tags: {strategy: UNION, cap: 3, over_cap: TAGS_OVER_LIMIT}
  note: {strategy: CONCAT, cap: 11, over_cap: NOTE_OVER_LIMIT}
children:
  - {table: pack.items, customer: customer_id, move: repoint}
rules:"""
    + rule_cases.IDENTITY_RULES
    + """  - {rule: COMPANY_CONTACT, exists: {table: pack.items, where: {kind: contact}}}
  - {rule: SAVED_PAYMENT_METHODS, exists: {table: pack.items, where: {kind: card}}}
  - {rule: GIFT_CARDS, exists: {table: pack.items, where: {kind: gift, amount: {above: 0}}}}
  - {rule: STORE_CREDIT, exists: {table: pack.items, where: {kind: credit, amount: {above: 0}}}}
  - {rule: SUBSCRIPTIONS, exists: {table: pack.items, where: {kind: subscription, status: {not: ENDED}}}}
  - {rule: PENDING_DATA_REQUEST, exists: {table: pack.items, where: {kind: request, status: {present: false}}}}
  - {rule: MULTIPASS_IDENTIFIER, flag: {column: secret, equals: {present: true}}}
"""
)
TEMPORARY = {"PENDING_DATA_REQUEST", "ERASURE_PENDING", "MERGE_IN_PROGRESS"}


def _of_either(rule: str, stops: rule_cases.Row, passes: rule_cases.Row) -> tuple[Case, ...]:
    return (
        Case(rule=rule, sides=("WINNER",), winner_items=(stops,)),
        Case(rule=rule, sides=("LOSER",), loser_items=(stops,)),
        Case(rule=rule, sides=("WINNER", "LOSER"), winner_items=(stops,), loser_items=(stops,)),
        Case(rule=rule, winner_items=(passes,), loser_items=(passes,)),
    )


def _erasure(customer_id: str, state: str) -> str:
    return (
        "INSERT INTO merge.erasures (tenant_id, customer_id, version, state, requested_at, received_at)"
        f" VALUES ('t', '{customer_id}', 1, '{state}', now(), now())"
    )


def _erased(customer_id: str, tenant_id: str = "t") -> str:
    return f"INSERT INTO merge.erased VALUES ('{tenant_id}', '{customer_id}', '{customer_id}', now())"


def _moving(winner_id: str, loser_id: str, state: str = "MOVING") -> tuple[str, ...]:
    id_ = "018f0000-0000-7000-8000-000000000001"
    return (
        (
            "INSERT INTO merge.merges (merge_id, tenant_id, command_id, winner_id, actor, reason, policy_version,"
            f" merged_at, undoable_until) VALUES ('{id_}', 't', 'old', '{winner_id}', 'a', 'r', 'p', now(), now())"
        ),
        (
            f"INSERT INTO merge.edges (merge_id, tenant_id, loser_id, winner_id) VALUES ('{id_}', 't', '{loser_id}',"
            f" '{winner_id}')"
        ),
        (
            "INSERT INTO merge.canonical (tenant_id, customer_id, canonical_id, direct_to, version, merge_id,"
            f" changed_at) VALUES ('t', '{loser_id}', '{winner_id}', '{winner_id}', 1, '{id_}', now())"
        ),
        (
            "INSERT INTO merge.large_merges (merge_id, tenant_id, command_id, state, moved, noticed_at, lease_until,"
            f" started_at) VALUES ('{id_}', 't', 'old', '{state}', '[]', now(), now(), now())"
        ),
    )


CASES = (
    *_of_either("COMPANY_CONTACT", item("contact"), item("order")),
    *_of_either("SAVED_PAYMENT_METHODS", item("card"), item("order")),
    *_of_either("GIFT_CARDS", item("gift", amount=1), item("gift", amount=0)),
    *_of_either("STORE_CREDIT", item("credit", amount=1), item("credit", amount=0)),
    *_of_either("SUBSCRIPTIONS", item("subscription", status="PAUSED"), item("subscription", status="ended")),
    *_of_either("PENDING_DATA_REQUEST", item("request"), item("request", status="ANSWERED")),
    Case(rule="MULTIPASS_IDENTIFIER", sides=("WINNER",), winner={"secret": "mp-1"}),
    Case(rule="MULTIPASS_IDENTIFIER", sides=("LOSER",), loser={"secret": "mp-1"}),
    Case(rule="MULTIPASS_IDENTIFIER", winner={"secret": " "}),
    Case(rule="ERASURE_PENDING", sides=("WINNER",), sql=(_erasure("w", "WAITING"),)),
    Case(rule="ERASURE_PENDING", sides=("LOSER",), sql=(_erasure("l", "CONFIRMED"),)),
    Case(rule="ERASURE_PENDING", sql=(_erasure("l", "DECLINED"), _erasure("x", "WAITING"))),
    Case(rule="ERASED", sides=("WINNER",), sql=(_erased("w"),)),
    Case(rule="ERASED", sides=("LOSER",), sql=(_erased("l"),)),
    Case(rule="ERASED", sql=(_erased("x"), _erased("l", "another"))),
    Case(rule="MERGE_IN_PROGRESS", sides=("WINNER",), sql=_moving("w", "x")),
    Case(rule="MERGE_IN_PROGRESS", sides=("LOSER",), sql=_moving("l", "x")),
    Case(rule="MERGE_IN_PROGRESS", sql=_moving("w", "x", "COMPLETE")),
    Case(rule="TAGS_OVER_LIMIT", sides=("PAIR",), winner={"tags": ["a", "b"]}, loser={"tags": ["c", "d"]}),
    Case(rule="TAGS_OVER_LIMIT", winner={"tags": ["a", "b"]}, loser={"tags": ["A", "c"]}),
    Case(
        rule="TAGS_OVER_LIMIT",
        winner={"tags": ["a", "b"]},
        loser={"tags": ["c", "d"]},
        order={"field_choices": (FieldChoice(field="tags", literal="{a,d}"),)},
    ),
    Case(rule="NOTE_OVER_LIMIT", sides=("PAIR",), winner={"note": "calls"}, loser={"note": "never calls"}),
    Case(rule="NOTE_OVER_LIMIT", winner={"note": "calls"}, loser={"note": "often"}),
    Case(
        rule="NOTE_OVER_LIMIT",
        winner={"note": "calls"},
        loser={"note": "never calls"},
        order={"field_choices": (FieldChoice(field="note", from_customer_id="l"),)},
    ),
)


@pytest.fixture
def engine(tmp_path: Path) -> MergeEngine:
    return rule_cases.load(PLAN, tmp_path)


def test_each_rule_stops_its_side_and_lets_the_rest_pass(connected: Connected, engine: MergeEngine) -> None:
    rule_cases.check_each(connected, engine, CASES, temporary=TEMPORARY)


def test_the_cases_stop_and_pass_every_rule_of_the_pack() -> None:
    rule_cases.assert_each_is_shown("commerce", CASES)


def test_what_is_over_a_limit_is_reported_with_the_rules_and_mended_by_a_choice(
    connected: Connected, engine: MergeEngine
) -> None:
    case = Case(
        rule="",
        winner={"tags": ["a", "b"], "note": "calls"},
        loser={"tags": ["c", "d"], "note": "never calls"},
        loser_items=(item("gift", amount=2),),
    )
    chosen = (
        FieldChoice(field="tags", literal="{vip}"),
        FieldChoice(field="note", strategy="WINNER_STRICT"),
    )
    with rule_cases.tables(connected) as connection:
        rule_cases.fill(connection, case)
        (refused,) = engine.merge(connection, [order("w", "l")])
        connection.exec_driver_sql("DELETE FROM pack.items")
        (merged,) = engine.merge(connection, [order("w", "l", field_choices=chosen)])
        kept = connection.exec_driver_sql("SELECT tags, note FROM pack.customers WHERE id = 'w'").one()
    assert isinstance(refused, Refused)
    assert [(error.rule, error.field) for error in refused.errors] == [
        ("GIFT_CARDS", None),
        ("TAGS_OVER_LIMIT", "tags"),
        ("NOTE_OVER_LIMIT", "note"),
    ]
    assert isinstance(merged, Merged)
    assert tuple(kept) == (["vip"], "calls")
