"""Every rule of the ticketing pack: what it stops, on which side, and what it lets pass."""

from pathlib import Path

import pytest

from customer_identity.merging import ActorRef, FieldChoice, Merged, RowChoice
from merge_engine import MergeEngine
from rig import rule_cases
from rig.fixtures import Connected
from rig.rule_cases import Case, item, order

PLAN = (
    rule_cases.HEAD.replace(
        "version: version", "version: version, type: {column: kind, individual: I, organisation: O}"
    )
    + """
packs: [ticketing]
fields:
  email: {strategy: BLOCK_ON_CONFLICT, on_conflict: EMAIL_CHOICE_REQUIRED}
  secret: {strategy: WINNER_STRICT, protected: true}
children:
  - table: pack.items
    customer: customer_id
    move: repoint
    where: {kind: {not: relationship}}
    facilitator: true
  - {table: pack.items, customer: customer_id, move: repoint, where: {kind: relationship}, choosable: true}
rules:"""
    + rule_cases.IDENTITY_RULES
    + """  - {rule: MERGE_ROLE_MISSING, needs_role: merge}
  - rule: PROTECTED_DATA_PERMISSION_MISSING
    needs_role: protected-data
    when: {exists: {table: pack.items, where: {kind: medical}}}
  - {rule: ON_BEHALF_RELATIONSHIP_TRANSACTIONS, exists: {table: pack.items, where: {kind: on-behalf}}}
  - rule: RELATIONSHIPS_PRESENT
    exists: {table: pack.items, where: {kind: relationship}}
    fixed_by: {facilitator: true, rows: pack.items}
"""
)
NOBODY = ActorRef(id="eve", roles=("recommend",))
TRUSTED = ActorRef(id="pat", roles=("protected-data",))
ADMIN = ActorRef(id="root", roles=("admin",))
WINNERS = FieldChoice(field="secret", from_customer_id="w")
LOSERS = FieldChoice(field="secret", from_customer_id="l")
ROWS = (RowChoice(table="pack.items", keep_ids=()),)


def _of_either(rule: str, stops: rule_cases.Row, **order_with: object) -> tuple[Case, ...]:
    return (
        Case(rule=rule, sides=("WINNER",), winner_items=(stops,), order=order_with),
        Case(rule=rule, sides=("LOSER",), loser_items=(stops,), order=order_with),
        Case(rule=rule, sides=("WINNER", "LOSER"), winner_items=(stops,), loser_items=(stops,), order=order_with),
    )


CASES = (
    Case(rule="ENTITY_TYPE_MISMATCH", sides=("PAIR",), loser={"kind": "O"}),
    Case(rule="ENTITY_TYPE_MISMATCH", sides=("PAIR",), winner={"kind": "O"}),
    Case(rule="ENTITY_TYPE_MISMATCH", winner={"kind": "O"}, loser={"kind": "O"}),
    Case(rule="ENTITY_TYPE_MISMATCH"),
    Case(rule="MERGE_ROLE_MISSING", sides=("ACTOR",), order={"requested_by": NOBODY}),
    Case(rule="MERGE_ROLE_MISSING", order={"requested_by": ADMIN}),
    Case(rule="PROTECTED_DATA_PERMISSION_MISSING", sides=("ACTOR",), loser_items=(item("medical"),)),
    Case(rule="PROTECTED_DATA_PERMISSION_MISSING", sides=("ACTOR",), winner_items=(item("medical"),)),
    Case(rule="PROTECTED_DATA_PERMISSION_MISSING", loser_items=(item("medical"),), order={"requested_by": TRUSTED}),
    Case(rule="PROTECTED_DATA_PERMISSION_MISSING", loser_items=(item("medical"),), order={"requested_by": ADMIN}),
    Case(
        rule="PROTECTED_DATA_PERMISSION_MISSING",
        sides=("ACTOR",),
        loser={"secret": "s"},
        order={"field_choices": (LOSERS,)},
    ),
    Case(
        rule="PROTECTED_DATA_PERMISSION_MISSING",
        loser={"secret": "s"},
        order={"field_choices": (LOSERS,), "requested_by": TRUSTED},
    ),
    Case(rule="PROTECTED_ATTRIBUTE_NOT_COPIED", sides=("LOSER",), loser={"secret": "s"}),
    Case(rule="PROTECTED_ATTRIBUTE_NOT_COPIED", sides=("LOSER",), winner={"secret": "t"}, loser={"secret": "s"}),
    Case(rule="PROTECTED_ATTRIBUTE_NOT_COPIED", winner={"secret": "s"}, loser={"secret": " S"}),
    Case(rule="PROTECTED_ATTRIBUTE_NOT_COPIED", winner={"secret": "s"}),
    Case(
        rule="PROTECTED_ATTRIBUTE_NOT_COPIED",
        loser={"secret": "s"},
        order={"field_choices": (WINNERS,), "requested_by": TRUSTED},
    ),
    Case(
        rule="PROTECTED_ATTRIBUTE_NOT_COPIED",
        sides=("LOSER",),
        loser={"secret": "s"},
        order={"waived_rules": ("PROTECTED_ATTRIBUTE_NOT_COPIED",)},
    ),
    *_of_either("ON_BEHALF_RELATIONSHIP_TRANSACTIONS", item("on-behalf")),
    Case(rule="ON_BEHALF_RELATIONSHIP_TRANSACTIONS", loser_items=(item("order"),)),
    *_of_either("RELATIONSHIPS_PRESENT", item("relationship")),
    *_of_either("RELATIONSHIPS_PRESENT", item("relationship"), facilitator_id="f"),
    *_of_either("RELATIONSHIPS_PRESENT", item("relationship"), row_choices=ROWS),
    Case(
        rule="RELATIONSHIPS_PRESENT",
        loser_items=(item("relationship"),),
        order={"facilitator_id": "f", "row_choices": ROWS},
    ),
    Case(rule="EMAIL_CHOICE_REQUIRED", sides=("PAIR",), winner={"email": "a@x"}, loser={"email": "b@x"}),
    Case(rule="EMAIL_CHOICE_REQUIRED", winner={"email": "a@x"}, loser={"email": "A@X "}),
    Case(rule="EMAIL_CHOICE_REQUIRED", loser={"email": "b@x"}),
    Case(
        rule="EMAIL_CHOICE_REQUIRED",
        winner={"email": "a@x"},
        loser={"email": "b@x"},
        order={"field_choices": (FieldChoice(field="email", from_customer_id="l"),)},
    ),
)


@pytest.fixture
def engine(tmp_path: Path) -> MergeEngine:
    return rule_cases.load(PLAN, tmp_path)


def test_each_rule_stops_its_side_and_lets_the_rest_pass(connected: Connected, engine: MergeEngine) -> None:
    rule_cases.check_each(connected, engine, CASES)


def test_the_cases_stop_and_pass_every_rule_of_the_pack() -> None:
    rule_cases.assert_each_is_shown("ticketing", CASES)


def test_a_protected_attribute_is_left_behind_only_by_somebody_with_the_role_and_it_is_told(
    connected: Connected, engine: MergeEngine
) -> None:
    waived = {"waived_rules": ("PROTECTED_ATTRIBUTE_NOT_COPIED",), "requested_by": TRUSTED}
    with rule_cases.tables(connected) as connection:
        rule_cases.fill(connection, Case(rule="", loser={"secret": "s"}))
        (result,) = engine.merge(connection, [order("w", "l", **waived)])
        kept = connection.exec_driver_sql("SELECT secret FROM pack.customers WHERE id = 'w'").scalar_one()
    assert isinstance(result, Merged)
    assert [warning.rule for warning in result.warnings] == ["PROTECTED_ATTRIBUTE_NOT_COPIED"]
    assert kept is None


def test_a_protected_attribute_moves_when_somebody_with_the_role_says_so(
    connected: Connected, engine: MergeEngine
) -> None:
    with rule_cases.tables(connected) as connection:
        rule_cases.fill(connection, Case(rule="", loser={"secret": "s"}))
        chosen = order("w", "l", field_choices=(LOSERS,), requested_by=TRUSTED)
        (result,) = engine.merge(connection, [chosen])
        kept = connection.exec_driver_sql("SELECT secret FROM pack.customers WHERE id = 'w'").scalar_one()
    assert isinstance(result, Merged)
    assert kept == "s"
