"""Every rule as a preview shows it: whether it passed, and the figures behind it either way."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from customer_identity.merging import RuleFailure, Side
from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.identity_pack import CUSTOMER_NOT_FOUND
from customer_identity.merging.planning import Judgement
from customer_identity.merging.policy import FieldPolicy
from customer_identity.merging.rules import Parties, Rule, Severity
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import TenantId, columns
from merge_engine.values import RuleCheck, RuleFigure

FiguresByCustomer = Mapping[TenantId, Sequence[Any]]


def load_figures(
    connection: Connection, compiled: CompiledPlan, identities: Mapping[TenantId, Identity]
) -> FiguresByCustomer:
    """The figures of all records of these identities, by one statement."""
    ids = [(tenant, member.customer_id) for (tenant, _), found in identities.items() for member in found.records]
    if not ids:
        return {}
    tenants, customer_ids = columns(ids, 2)
    rows = connection.exec_driver_sql(compiled.figures, {"tenants": tenants, "ids": customer_ids})
    return {(tenant, id_): figures for tenant, id_, *figures in rows}


def rule_checks(compiled: CompiledPlan, judged: Judgement, figures: FiguresByCustomer) -> tuple[RuleCheck, ...]:
    """Every rule once; a rule that the plan declares in several forms passes when all of them do."""
    parties = judged.parties
    rules: dict[str, list[Rule]] = {}
    for rule in compiled.policy.rules.rules:
        rules.setdefault(rule.name, []).append(rule)
    found: dict[str, list[RuleFailure]] = {}
    for failure in (*judged.failures, *judged.evaluation.warnings):
        found.setdefault(failure.rule, []).append(failure)
    blocking = {failure.rule for failure in judged.failures}
    checked = [
        RuleCheck(
            rule=name,
            side=forms[0].side,
            severity=forms[0].severity,
            permanent=forms[0].permanent,
            passed=name not in found,
            blocking=name in blocking,
            failures=tuple(found.get(name, ())),
            figures=tuple(dict.fromkeys(figure for form in forms for figure in rule_figures(form, parties, figures))),
        )
        for name, forms in rules.items()
    ]
    checked.extend(_field_checks(compiled, parties, found, set(rules)))
    return tuple(checked)


def _field_checks(
    compiled: CompiledPlan, parties: Parties, found: Mapping[str, list[RuleFailure]], known: set[str]
) -> Iterator[RuleCheck]:
    """The rules that fail when a field cannot be decided."""
    by_rule: dict[str, list[FieldPolicy]] = {}
    for field in compiled.policy.fields:
        for rule in (field.on_conflict, field.over_cap):
            if rule is not None and rule.name not in known:
                by_rule.setdefault(rule.name, []).append(field)
    for name, fields in by_rule.items():
        yield RuleCheck(
            rule=name,
            side=Side.PAIR,
            severity=Severity.BLOCK,
            permanent=True,
            passed=name not in found,
            blocking=name in found,
            failures=tuple(found.get(name, ())),
            figures=tuple(
                _figure(member, field.field, member.facts[field.fact])
                for field in fields
                for member in _members(parties.identities)
            ),
        )


def rule_figures(rule: Rule, parties: Parties, figures: FiguresByCustomer) -> Iterator[RuleFigure]:
    """The figures behind one rule, of those whom it looks at."""
    if rule.name in _OF_THE_ENGINE:
        yield from _OF_THE_ENGINE[rule.name](parties)
    elif rule.side is Side.ACTOR:
        yield RuleFigure(customer_id=None, label="roles", value=", ".join(parties.order.requested_by.roles) or "none")
    for figure in rule.figures:
        for member in _members(_looked_at(rule.side, parties)):
            values = figures.get((parties.order.tenant_id, member.customer_id))
            if values is None:
                continue
            if rule.side is Side.SYSTEM:
                yield RuleFigure(customer_id=None, label=figure.label, value=_text(values[figure.position]))
                break
            yield _figure(member, figure.label, values[figure.position])


def _looked_at(side: Side, parties: Parties) -> Iterable[Identity]:
    match side:
        case Side.WINNER:
            return () if parties.winner is None else (parties.winner,)
        case Side.LOSER:
            return parties.losers
        case _:
            return parties.identities


def _members(identities: Iterable[Identity]) -> Iterator[Member]:
    for identity in identities:
        yield from identity.records


def _figure(member: Member, label: str, value: Any) -> RuleFigure:
    return RuleFigure(customer_id=member.customer_id, label=label, value=_text(value))


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join("/".join(map(str, one)) if isinstance(one, list) else str(one) for one in value) or "none"
    return str(value)


def _records(parties: Parties) -> Iterator[RuleFigure]:
    for identity in parties.identities:
        there = "none" if identity.root.version is None else "there"
        yield RuleFigure(customer_id=identity.root_id, label="record", value=there)


def _tenants(parties: Parties) -> Iterator[RuleFigure]:
    for member in _members(parties.identities):
        yield _figure(member, "tenant", member.tenant_id)


def _versions(parties: Parties) -> Iterator[RuleFigure]:
    for member in _members(parties.identities):
        expected = parties.order.expected_versions.get(member.customer_id)
        reviewed = "" if expected is None else f", reviewed at {expected}"
        yield _figure(member, "version", f"{member.version}{reviewed}")


def _asserted(parties: Parties) -> Iterator[RuleFigure]:
    ids = {member.customer_id for member in _members(parties.identities)}
    pairs = [(a, b) for tenant, a, b in parties.asserted if tenant == parties.order.tenant_id and {a, b} <= ids]
    yield RuleFigure(customer_id=None, label="asserted pairs", value=str(len(pairs)))


def _together(parties: Parties) -> Iterator[RuleFigure]:
    members = sum(len(identity.members) for identity in parties.identities)
    yield RuleFigure(customer_id=None, label="records that would be one customer", value=str(members))


_OF_THE_ENGINE = {
    CUSTOMER_NOT_FOUND: _records,
    "TENANT_MISMATCH": _tenants,
    "STALE_VERSION": _versions,
    "NOT_DUPLICATE_ASSERTED": _asserted,
    "IDENTITY_TOO_LARGE": _together,
    "VERSION_NEGATIVE": _versions,
}
