"""Looks at undecided cases, one identity at a time: approve, wait for a command in flight, leave to a person, or close.

Every look starts from the identity map of the database, so a command always names canonical ids. While a command of
an identity is in flight nothing else is asked for that identity: three records of one person are merged pair by pair,
each time with fresh facts, instead of three commands of which two would be refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from customer_events import MergeCustomers
from customer_identity.approval import (
    ApprovalPolicy,
    CaseFacts,
    Identifier,
    IdentifierKind,
    IdentitySide,
    Wait,
    decide,
)
from event_runtime.drafts import Draft
from event_runtime.publisher import Publisher
from merge_engine import CustomerSummary, MergeEngine, Preview
from review_desk import cases as life
from review_desk.adapters.command_table import SentCommand
from review_desk.adapters.decision_log import DecisionKind, DecisionMade
from review_desk.adapters.desk_control import database_time, is_paused
from review_desk.adapters.identity_table import Answer, Identities
from review_desk.adapters.tables import DeskTables
from review_desk.cases import Case, PersonApproval
from review_desk.merge_commands import as_order, by_person, by_policy

ALREADY_MERGED = "ALREADY_MERGED"
IN_FLIGHT = "IN_FLIGHT"
IDENTITY_CHANGED = "IDENTITY_CHANGED"
IDENTITY_CATCHING_UP = "IDENTITY_CATCHING_UP"

_KINDS = {kind.value: kind for kind in IdentifierKind}


@dataclass(slots=True)
class _Look:
    """What one look at some cases of one tenant works with, and what comes of it."""

    connection: Connection
    tenant_id: str
    now: datetime
    policy: ApprovalPolicy
    identities: Identities
    busy: dict[str, str]
    denied_pairs: list[tuple[str, str]]
    records: Mapping[str, CustomerSummary]
    changed: list[Case] = field(default_factory=list)
    sent: list[SentCommand] = field(default_factory=list)
    made: list[DecisionMade] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A case that the policy would approve if no rule stands against it."""

    case: Case
    roots: list[str]
    facts: CaseFacts
    command: MergeCustomers


class DecideCases:
    """The one place where cases become commands, by policy or with a person's approval."""

    def __init__(
        self, *, tables: DeskTables, merges: MergeEngine, policy: ApprovalPolicy, publisher: Publisher
    ) -> None:
        """`policy` as the file says; the switch in the database can pause it."""
        self._tables = tables
        self._merges = merges
        self._policy = policy
        self._publisher = publisher

    def __call__(
        self, connection: Connection, tenant_id: str, cases: Iterable[Case], *, as_stored: bool = False
    ) -> list[Draft]:
        """Decide the cases, which are OPEN or WAITING, of one tenant that is locked; the surest first.

        Saves the cases and returns the commands to publish. With `as_stored` they are as the table has them, and
        what does not change is not written.
        """
        held = {case.candidate_id: case for case in cases} if as_stored else {}
        ordered = sorted(held.values() or cases, key=lambda case: (-case.score, case.candidate_id))
        if not ordered:
            return []
        look = self._begin(connection, tenant_id, ordered)
        while ordered:
            ordered = self._round(look, ordered)
        self._tables.cases.save(connection, [case for case in look.changed if held.get(case.candidate_id) != case])
        self._tables.commands.send(connection, look.sent)
        self._tables.decisions.add(connection, look.made)
        return look.drafts

    def fresh_identities(self, connection: Connection, tenant_id: str, customer_ids: Sequence[str]) -> Identities:
        """Whose identities these are now: what the merge database says, kept in the desk's copy."""
        answers = self._merges.canonical(connection, tenant_id, customer_ids)
        told = [
            Answer(customer_id=customer_id, canonical_id=answer.canonical_id, version=answer.version)
            for customer_id, answer in answers.items()
            if answer.version > 0
        ]
        self._tables.identities.apply(connection, tenant_id, told)
        return self._tables.identities.of(connection, tenant_id, customer_ids)

    def _begin(self, connection: Connection, tenant_id: str, cases: Sequence[Case]) -> _Look:
        named = sorted({customer_id for case in cases for customer_id in case.member_ids})
        identities = self.fresh_identities(connection, tenant_id, named)
        everybody = sorted({*named, *identities.canonical, *identities.canonical.values()})
        paused = self._policy.paused or is_paused(connection)
        return _Look(
            connection=connection,
            tenant_id=tenant_id,
            now=database_time(connection),
            policy=replace(self._policy, paused=paused),
            identities=identities,
            busy=self._tables.commands.busy(connection, tenant_id, everybody),
            denied_pairs=self._tables.cases.denied_pairs(connection, tenant_id, everybody),
            records=self._merges.records(connection, tenant_id, everybody),
        )

    def _round(self, look: _Look, cases: Sequence[Case]) -> list[Case]:
        """Decide cases that share no identity, all rules checked at once; returns the others, for the next round."""
        ready: list[_Ready] = []
        later: list[Case] = []
        tried: set[str] = set()
        for case in cases:
            roots = sorted({look.identities.root(customer_id) for customer_id in case.pair})
            if not tried.isdisjoint(roots):
                later.append(case)
                continue
            seen = self._first_look(look, case, roots)
            if isinstance(seen, _Ready):
                ready.append(seen)
                tried.update(roots)
            else:
                look.changed.append(seen)
        previews = self._merges.eligibility(look.connection, [as_order(one.command) for one in ready])
        for one, preview in zip(ready, previews, strict=True):
            look.changed.append(self._by_policy(look, one, preview))
        return later

    def _first_look(self, look: _Look, case: Case, roots: list[str]) -> Case | _Ready:
        """What can be said of a case without its rules."""
        if len(roots) == 1:
            return life.closed(case, ALREADY_MERGED)
        if case.approval is not None:
            return self._with_approval(look, case, case.approval, roots)
        if not case.automatic:
            return replace(case, state=life.CaseState.OPEN)
        facts = _facts(look, case, roots)
        decision = decide(facts, look.policy)
        if isinstance(decision, Wait):
            return life.left_to_a_person(case, _reasons(decision))
        if taken := _taken(look, roots):
            return life.waiting(case, f"{IN_FLIGHT}: {taken}")
        return _Ready(case=case, roots=roots, facts=facts, command=by_policy(case, roots, look.policy, {}, look.now))

    def _by_policy(self, look: _Look, ready: _Ready, preview: Preview) -> Case:
        case = ready.case
        if preview.noop is not None:
            return life.closed(case, ALREADY_MERGED)
        if not set(preview.members) <= {one for side in ready.facts.sides for one in side.member_ids}:
            return life.waiting(case, IDENTITY_CATCHING_UP)
        decision = decide(replace(ready.facts, failing_rules=_failing_rules(preview)), look.policy)
        if isinstance(decision, Wait):
            return life.left_to_a_person(case, _reasons(decision))
        command = by_policy(case, ready.roots, look.policy, preview.versions, look.now)
        because = tuple(f"{kind} equal" for kind in decision.because)
        look.made.append(
            DecisionMade(
                decision=DecisionKind.APPROVED,
                decided_by=command.requested_by.id,
                roles=command.requested_by.roles,
                reason=", ".join(because),
                tenant_id=case.tenant_id,
                candidate_id=case.candidate_id,
                revision=case.revision,
                command_id=command.command_id,
                detail={"score": case.score, "model": case.model_version},
            )
        )
        return self._send(look, case, ready.roots, command, because)

    def _with_approval(self, look: _Look, case: Case, approval: PersonApproval, roots: list[str]) -> Case:
        is_half = case.state is life.CaseState.HALF_APPROVED
        if not is_half and (taken := _taken(look, roots)):
            return life.waiting(case, f"{IN_FLIGHT}: {taken}")
        everybody = frozenset().union(*(look.identities.members(root) for root in roots))
        if not everybody <= approval.seen_members:
            newcomers = ", ".join(sorted(everybody - approval.seen_members))
            return life.left_to_a_person(case, (f"{IDENTITY_CHANGED}: {newcomers} joined after the approval",))
        winner = None if approval.winner_id is None else look.identities.root(approval.winner_id)
        if winner is not None and winner not in roots:
            return life.left_to_a_person(case, (f"{IDENTITY_CHANGED}: the chosen winner is no part of it",))
        if is_half:
            return case
        command = by_person(case, roots, winner, approval, look.now)
        return self._send(look, case, roots, command, (f"approved by {approval.by}",))

    def _send(self, look: _Look, case: Case, roots: list[str], command: MergeCustomers, why: tuple[str, ...]) -> Case:
        look.sent.append(
            SentCommand(
                tenant_id=case.tenant_id,
                command_id=command.command_id,
                command_type="MergeCustomers",
                candidate_id=case.candidate_id,
                customer_ids=tuple(roots),
                takes=tuple(roots),
                actor=command.requested_by.id,
                content=command.model_dump_json(),
            )
        )
        look.busy.update(dict.fromkeys(roots, command.command_id))
        look.drafts.append(self._publisher.draft(command))
        return life.in_flight(case, command.command_id, why)


def awaited_command(case: Case) -> str | None:
    """The id of the command whose outcome a case waits for: its own, or the one that keeps its identities busy."""
    if case.state is life.CaseState.APPROVED:
        return case.command_id
    return next((why.removeprefix(f"{IN_FLIGHT}: ") for why in case.why if why.startswith(f"{IN_FLIGHT}: ")), None)


def _facts(look: _Look, case: Case, roots: list[str]) -> CaseFacts:
    sides = tuple(_side(look, root) for root in roots)
    left, right = (side.member_ids for side in sides)
    return CaseFacts(
        grade=case.grade,
        safe_to_automate=case.safe_to_automate,
        blocked_because=case.blocked_because,
        evidence=case.evidence,
        sides=sides,
        denied_pairs=tuple(
            (a, b) for a, b in look.denied_pairs if (a in left and b in right) or (a in right and b in left)
        ),
    )


def _side(look: _Look, root: str) -> IdentitySide:
    """One identity with the identifiers of all its records; kinds that no policy can name are left out."""
    members = look.identities.members(root)
    identifiers = tuple(
        Identifier(
            kind=_KINDS[held.kind],
            value=held.value,
            verified=held.verified is True,
            source=record.source,
        )
        for record in (look.records[member] for member in sorted(members) if member in look.records)
        for held in record.identifiers
        if held.kind in _KINDS
    )
    return IdentitySide(member_ids=members, identifiers=identifiers)


def _taken(look: _Look, roots: Sequence[str]) -> str | None:
    return next((look.busy[root] for root in roots if root in look.busy), None)


def _failing_rules(preview: Preview) -> tuple[str, ...]:
    """Every rule that fails, those that only warn included."""
    return tuple(dict.fromkeys(failure.rule for failure in (*preview.failures, *preview.warnings)))


def _reasons(decision: Wait) -> tuple[str, ...]:
    return tuple(str(reason) for reason in decision.reasons)
