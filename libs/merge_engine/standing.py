"""What is pertinent to a customer's eligibility, whoever it is merged with: all rules, and the figures behind them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from customer_identity.merging import ActorRef, MergeOrder, Side
from customer_identity.merging.rules import Parties, Rule, Severity
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.explaining import FiguresByCustomer, load_figures, rule_figures
from merge_engine.loading import load_identities, load_roots
from merge_engine.plan_file import SumIntoWinner
from merge_engine.statements.names import identifier
from merge_engine.statements.owners import ChildRows
from merge_engine.values import RuleFigure


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStanding:
    """One rule as it stands for a customer alone.

    `passed` is None for a rule that depends on the other customer (side PAIR) or on who asks (ACTOR) and finds nothing
    in this one. `at` says as whom it fails: as the winner of a merge, as the loser, or as both.
    """

    rule: str
    side: Side
    severity: Severity
    permanent: bool
    passed: bool | None
    at: tuple[Side, ...]
    message: str
    remediation: str
    figures: tuple[RuleFigure, ...]


def standing(
    connection: Connection, compiled: CompiledPlan, tenant_id: str, customer_id: str
) -> tuple[RuleStanding, ...]:
    """Every rule for one customer; none for one that does not answer for itself, as nobody can merge it any more."""
    asked = (tenant_id, customer_id)
    roots = load_roots(connection, compiled, [asked])
    if roots.by_id[asked] != customer_id:
        return ()
    identity = load_identities(connection, compiled, [asked])[asked]
    if identity.root.version is None:
        return ()
    figures = load_figures(connection, compiled, {asked: identity})
    order = MergeOrder(
        tenant_id=tenant_id,
        command_id="",
        winner_id=None,
        loser_ids=(customer_id,),
        requested_by=ActorRef(id=""),
        reason="",
    )
    as_loser = Parties(order=order, winner=None, losers=(identity,), asserted=frozenset(), now=roots.now)
    as_winner = Parties(order=order, winner=identity, losers=(), asserted=frozenset(), now=roots.now)
    by_name: dict[str, list[Rule]] = {}
    for rule in compiled.policy.rules.rules:
        by_name.setdefault(rule.name, []).append(rule)
    return tuple(_standing(forms, as_loser, as_winner, figures) for forms in by_name.values())


def sums(
    connection: Connection, compiled: CompiledPlan, tenant_id: str, customer_id: str
) -> Mapping[str, Mapping[str, Any]]:
    """A customer's balances: the figures that a merge would add to the winner's, by table and column."""
    names = compiled.names
    if not (names.is_tenant(tenant_id) and names.is_key(customer_id)):
        return {}
    found = {}
    for child, columns in _summed(compiled):
        rows = ChildRows.of(child, names)
        owned = rows.owned("c", names.typed_tenant("%(tenant)s::text"), names.typed_key("%(id)s::text"))
        totals = ", ".join(f"sum(c.{identifier(column)})" for column in columns)
        values = connection.exec_driver_sql(
            f"SELECT {totals} FROM {rows.rows} c WHERE {owned}", {"tenant": tenant_id, "id": customer_id}
        ).one()
        found[rows.label] = {column: _amount(value) for column, value in zip(columns, values, strict=True)}
    return found


def _amount(total: Any) -> Any:
    """A sum of whole numbers is one, though PostgreSQL answers with a numeric; nothing is nothing."""
    whole = isinstance(total, Decimal) and total == total.to_integral_value() and total.as_tuple().exponent == 0
    return int(total) if whole else total or 0


def _summed(compiled: CompiledPlan) -> Iterator[tuple[SumIntoWinner, tuple[str, ...]]]:
    for child in compiled.plan.children:
        if isinstance(child, SumIntoWinner):
            yield child, child.sum


def _standing(forms: list[Rule], as_loser: Parties, as_winner: Parties, figures: FiguresByCustomer) -> RuleStanding:
    first = forms[0]
    at = tuple(
        side
        for side, parties in ((Side.WINNER, as_winner), (Side.LOSER, as_loser))
        if any(_fails(rule, side, parties) for rule in forms)
    )
    open_ = first.side in (Side.PAIR, Side.ACTOR)
    shown = as_winner if first.side is Side.WINNER else as_loser
    return RuleStanding(
        rule=first.name,
        side=first.side,
        severity=first.severity,
        permanent=first.permanent,
        passed=None if open_ and not at else not at,
        at=at,
        message=first.message,
        remediation=first.remediation,
        figures=tuple(dict.fromkeys(one for rule in forms for one in rule_figures(rule, shown, figures))),
    )


def _fails(rule: Rule, side: Side, parties: Parties) -> bool:
    if rule.side is Side.PAIR or rule.side not in (side, Side.EITHER, Side.SYSTEM, Side.ACTOR):
        return False
    return any(True for _ in rule.check(parties))
