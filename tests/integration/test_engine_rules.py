"""Every rule of the identity pack: one merge that it stops (or warns of) and one that it lets pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine

from customer_identity.merging import ActorRef, Merged, NotDuplicateOrder, Refused
from merge_engine import MergeEngine
from rig.customer_rows import TENANT, customer, insert, order

DEFAULT = MergeEngine.load("default")
LONG_AGO = "2020-01-01T00:00:00Z"

Rows = Mapping[str, Mapping[str, object]]
"""Table → columns of one row, for a customer."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A winner and a loser, and the side on which the rule finds its fault; None when the rule lets them pass."""

    rule: str
    side: str | None
    winner: Mapping[str, Any] = field(default_factory=dict)
    loser: Mapping[str, Any] = field(default_factory=dict)
    winner_rows: Rows = field(default_factory=dict)
    loser_rows: Rows = field(default_factory=dict)
    order: Mapping[str, object] = field(default_factory=dict)
    loser_id: str | None = None
    absent: bool = False
    asserted: bool = False
    sql: str = ""


def _email(*, verified: bool | None) -> Rows:
    return {
        "emails": {"email": "x@example.com", "email_key": "x@example.com", "verified": verified, "is_primary": True}
    }


def _program(name: str) -> Rows:
    return {"loyalty_accounts": {"program": name, "points": 0}}


def _external(value: str) -> Rows:
    return {"external_ids": {"system": "crm", "external_id": value}}


def _crowd(records: int) -> str:
    """So many records that were merged into the loser before."""
    return (
        "INSERT INTO merge.canonical (tenant_id, customer_id, direct_to, canonical_id, version, merge_id, changed_at)"
        f" SELECT '{TENANT}', 'loser-' || n, 'loser', 'loser', 1, gen_random_uuid(), now()"
        f" FROM generate_series(1, {records}) AS n"
    )


UNCHECKED = "ALTER TABLE store.customers DROP CONSTRAINT customers_version_check"

CASES = (
    Case(rule="CUSTOMER_NOT_FOUND", side="LOSER", absent=True),
    Case(rule="CUSTOMER_NOT_FOUND", side=None),
    Case(rule="STALE_VERSION", side="WINNER", order={"expected_versions": {"winner": 2, "loser": 1}}),
    Case(rule="STALE_VERSION", side=None, order={"expected_versions": {"winner": 1, "loser": 1}}),
    Case(rule="NOT_DUPLICATE_ASSERTED", side="PAIR", asserted=True),
    Case(rule="NOT_DUPLICATE_ASSERTED", side=None),
    Case(rule="IDENTITY_TOO_LARGE", side="PAIR", sql=_crowd(9_999)),
    Case(rule="IDENTITY_TOO_LARGE", side=None, sql=_crowd(9)),
    Case(rule="VERSION_NEGATIVE", side="WINNER", winner={"version": -1}, sql=UNCHECKED),
    Case(rule="VERSION_NEGATIVE", side="LOSER", loser={"version": -1}, sql=UNCHECKED),
    Case(rule="VERSION_NEGATIVE", side=None, loser={"version": 0}, sql=UNCHECKED),
    Case(rule="LEGAL_HOLD", side="WINNER", winner={"legal_hold": True}),
    Case(rule="LEGAL_HOLD", side="LOSER", loser={"legal_hold": True}),
    Case(rule="LEGAL_HOLD", side=None),
    Case(rule="BLOCKED_IDENTIFIER_VALUE", side="LOSER", loser_id="Anonymous"),
    Case(rule="BLOCKED_IDENTIFIER_VALUE", side="WINNER", winner_rows=_external("NULL")),
    Case(rule="BLOCKED_IDENTIFIER_VALUE", side=None, loser_rows=_external("guest-17")),
    Case(rule="LOSER_HAS_LOGIN", side="LOSER", loser={"has_login": True}),
    Case(rule="LOSER_HAS_LOGIN", side=None, winner={"has_login": True}),
    Case(rule="CURRENCY_MISMATCH", side="PAIR", winner={"currency": "EUR"}, loser={"currency": "USD"}),
    Case(rule="CURRENCY_MISMATCH", side=None, winner={"currency": "EUR"}),
    Case(rule="LOYALTY_PROGRAM_DIFFERS", side="PAIR", winner_rows=_program("stars"), loser_rows=_program("miles")),
    Case(rule="LOYALTY_PROGRAM_DIFFERS", side=None, winner_rows=_program("stars"), loser_rows=_program("stars")),
    Case(rule="ENTITY_TYPE_MISMATCH", side="PAIR", loser={"type": "ORGANISATION"}),
    Case(rule="ENTITY_TYPE_MISMATCH", side=None, winner={"type": "ORGANISATION"}, loser={"type": "ORGANISATION"}),
    Case(rule="BOTH_ACTIVELY_USED", side="PAIR", winner={"last_active_at": "now"}, loser={"last_active_at": "now"}),
    Case(rule="BOTH_ACTIVELY_USED", side=None, winner={"last_active_at": "now"}, loser={"last_active_at": LONG_AGO}),
    Case(
        rule="BOTH_ACTIVELY_USED",
        side=None,
        winner={"last_active_at": "now"},
        loser={"last_active_at": "now"},
        order={"reason": "CUSTOMER_REQUEST"},
    ),
    Case(rule="WINNER_EMAIL_UNCONFIRMED", side="WINNER", winner_rows=_email(verified=False)),
    Case(rule="WINNER_EMAIL_UNCONFIRMED", side=None, winner_rows=_email(verified=None)),
    Case(rule="WINNER_EMAIL_UNCONFIRMED", side=None, loser_rows=_email(verified=False)),
)
WARNINGS = {"BOTH_ACTIVELY_USED", "WINNER_EMAIL_UNCONFIRMED"}
ELSEWHERE = {"TENANT_MISMATCH", "ERASED", "ERASURE_PENDING", "MERGE_IN_PROGRESS"}
"""Impossible where the tenant is part of the key (see the unit tests of merging), or in test_pack_commerce; the last in
test_large_unmerges."""


def test_each_rule_stops_what_it_is_for_and_lets_the_rest_pass(database: Engine) -> None:
    for number, case in enumerate(CASES):
        with database.begin() as connection:
            _check(connection, case, number)
            connection.rollback()


def test_the_table_of_cases_blocks_and_passes_every_rule_of_the_pack(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a")
        customer(connection, "b")
        rules = {check.rule for check in DEFAULT.preview(connection, order("a", "b")).rules} - ELSEWHERE
    assert {case.rule for case in CASES if case.side is not None} == rules
    assert {case.rule for case in CASES if case.side is None} == rules


def _check(connection: Connection, case: Case, number: int) -> None:
    winner_id, loser_id = "winner", case.loser_id or "loser"
    if case.sql:
        connection.exec_driver_sql(case.sql)
    customer(connection, winner_id, **case.winner)
    if not case.absent:
        customer(connection, loser_id, **case.loser)
    for owner, found in ((winner_id, case.winner_rows), (loser_id, case.loser_rows)):
        for table, columns in found.items():
            insert(connection, table, tenant_id=TENANT, customer_id=owner, **columns)
    if case.asserted:
        assertion = NotDuplicateOrder(
            tenant_id=TENANT,
            command_id="n",
            customer_ids=(winner_id, loser_id),
            requested_by=ActorRef(id="t"),
            reason="twins",
        )
        DEFAULT.assert_not_duplicate(connection, assertion)
    merge_order = order(winner_id, loser_id, **case.order)
    preview = DEFAULT.preview(connection, merge_order)
    found_faults = [
        (failure.rule, failure.side.value)
        for failure in (preview.warnings if case.rule in WARNINGS else preview.failures)
        if failure.rule == case.rule
    ]
    assert found_faults == ([] if case.side is None else [(case.rule, case.side)]), (number, case)
    (result,) = DEFAULT.merge(connection, [merge_order])
    if case.side is None or case.rule in WARNINGS:
        assert isinstance(result, Merged), (number, case, result)
        assert [warning.rule for warning in result.warnings] == ([case.rule] if case.side else []), (number, case)
    elif not case.absent:
        assert isinstance(result, Refused), (number, case, result)
        assert [error.rule for error in result.errors] == [case.rule], (number, case)
