"""The desk's handlers on real tables and the real merge engine, on one database and without a bus.

`Shop` plays the world around the desk: it delivers events, and it carries out the desk's commands with the merge
engine, in the order a test wants.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Engine, text

import customer_events as wire
from customer_identity import merging
from customer_identity.approval import Grade
from event_runtime.codec import Codec, SchemaStore
from event_runtime.database import create_engine
from event_runtime.outbox import Outbox
from event_runtime.records import Received, Record
from merge_engine import MergeEngine
from review_desk.adapters.tables import DeskTables
from review_desk.app import App
from review_desk.application.approve_cases import Choices, Decided
from review_desk.application.follow_merges import FollowMerges
from review_desk.application.follow_outcomes import FollowOutcomes
from review_desk.application.record_candidates import RecordCandidates
from review_desk.cases import Case, CaseState
from review_desk.merge_commands import as_order
from review_desk.settings import DeskSettings

TENANT = "default"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEWARD = wire.Actor(id="eve", roles=("merge",))
PACKAGES = ("merge_worker", "review_desk", "customer_merge_demo.store")


class Shop:
    """A database with customers, the desk's handlers on it, and a worker that does what it is told."""

    def __init__(self, url: str, policy: str, plan: str = "default") -> None:
        self.engine: Engine = create_engine(url)
        self.app = App(DeskSettings(database={"url": url}, policy=policy, plan=plan))
        self.tables = DeskTables()
        self.merges = MergeEngine.load(plan)
        decide = self.app.decide
        self.candidates = RecordCandidates(tables=self.tables, decide=decide)
        self.outcomes = FollowOutcomes(tables=self.tables, decide=decide)
        self.followed = FollowMerges(tables=self.tables, decide=decide)
        self.codec = Codec(SchemaStore(wire.schemas_directory()), wire.CATALOGUE)
        self.read_to = 0
        self.ended: list[BaseModel] = []

    def customer(
        self, customer_id: str, *, email: str = "ann@example.com", verified: bool | None = True, source: str = "shop"
    ) -> None:
        values = {"tenant": TENANT, "id": customer_id, "email": email, "verified": verified, "source": source}
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO store.customers (tenant_id, customer_id, source, full_name)"
                    " VALUES (:tenant, :id, :source, 'Ann Example')"
                ),
                values,
            )
            connection.execute(
                text(
                    "INSERT INTO store.emails (tenant_id, customer_id, email, email_key, verified, is_primary)"
                    " VALUES (:tenant, :id, :email, lower(:email), :verified, true)"
                ),
                values,
            )

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def deliver(self, handler: RecordCandidates | FollowOutcomes | FollowMerges, *events: BaseModel) -> None:
        with self.engine.begin() as connection:
            drafts = handler.handle(connection, [received(event) for event in events])
            Outbox("review").append(connection, drafts)

    def find(self, *pairs: tuple[str, str], **facts: Any) -> None:
        for pair in pairs:
            self.deliver(self.candidates, candidate(*pair, **facts))

    def commands(self) -> list[BaseModel]:
        """The commands that the desk published since the last time."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                text("SELECT position, body FROM review.outbox WHERE position > :read ORDER BY position"),
                {"read": self.read_to},
            ).all()
        self.read_to = max((row.position for row in rows), default=self.read_to)
        return [self.codec.decode(bytes(row.body)) for row in rows]

    def work(self, *, outcome_first: bool = False) -> None:
        """Carry out commands until there are no more; tell the desk of each in the order asked for."""
        todo = deque(self.commands())
        while todo:
            command = todo.popleft()
            if isinstance(command, wire.MergeCustomers):
                told = self.carry_out(command)
                for handler, event in reversed(told) if outcome_first else told:
                    self.deliver(handler, event)
            todo.extend(self.commands())

    def carry_out(self, command: wire.MergeCustomers) -> list[tuple[FollowOutcomes | FollowMerges, BaseModel]]:
        with self.engine.begin() as connection:
            (result,) = self.merges.merge(connection, [as_order(command)])
        told: list[tuple[FollowOutcomes | FollowMerges, BaseModel]] = []
        if isinstance(result, merging.Merged):
            told.append((self.followed, merged_event(command, result)))
        outcome = outcome_event(command, result)
        self.ended.append(outcome)
        return [*told, (self.outcomes, outcome)]

    def cases(self, tenant_id: str = TENANT) -> dict[str, Case]:
        with self.engine.connect() as connection:
            found = self.tables.cases.listed(
                connection, tenant_id=tenant_id, states=tuple(CaseState), grades=tuple(Grade), after=None, limit=100
            )
        return {case.candidate_id: case for case in found}

    def states(self, tenant_id: str = TENANT) -> list[str]:
        return sorted(case.state.value for case in self.cases(tenant_id).values())

    def canonical(self, *customer_ids: str) -> set[str]:
        with self.engine.connect() as connection:
            answers = self.merges.canonical(connection, TENANT, customer_ids)
        return {answer.canonical_id for answer in answers.values()}

    def by_person(
        self, act: Callable[..., Decided], names: Sequence[str], *arguments: object, actor: wire.Actor = STEWARD
    ) -> Decided:
        held = self.cases()
        with self.engine.begin() as connection:
            decided = act(connection, actor, [held[name] for name in names], *arguments)
            Outbox("review").append(connection, decided.drafts)
        return decided

    def approve(self, *names: str, actor: wire.Actor = STEWARD, **choices: object) -> Decided:
        chosen = Choices(reason="same person", **choices)  # type: ignore[arg-type]  # by name
        return self.by_person(self.app.by_person.approve, names, chosen, actor=actor)

    def reject(self, *names: str) -> Decided:
        return self.by_person(self.app.by_person.reject, names, "different people")

    def look_again(self) -> int:
        return self.app.look_again(self.engine, self.app.publish)

    def resend(self) -> int:
        return self.app.resend_commands(self.engine, self.app.publish)

    def let_pass(self, minutes: int) -> None:
        """Move everything that was sent back in time."""
        self.execute(
            f"UPDATE review.commands SET sent_at = sent_at - interval '{minutes} minutes',"
            f" last_sent_at = last_sent_at - interval '{minutes} minutes'"
        )

    def versions(self) -> list[str]:
        """Which transaction wrote each case last."""
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT xmin::text FROM review.cases ORDER BY case_no")).scalars())

    def in_flight(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM review.in_flight")).scalar_one())


def candidate(
    a: str, b: str, *, revision: int = 1, grade: wire.Grade = wire.Grade.CERTAIN, safe: bool = True
) -> wire.MergeCandidateFound:
    return wire.MergeCandidateFound(
        tenant_id=TENANT,
        candidate_id=f"{a}+{b}",
        revision=revision,
        members=(wire.Member(customer_id=a, version=1), wire.Member(customer_id=b, version=1)),
        pair=wire.CandidatePair(a=a, b=b),
        score=0.999,
        grade=grade,
        evidence=(
            wire.Evidence(field="email", level="exact", weight=12.0),
            wire.Evidence(field="family_name", level="exact", weight=8.0),
        ),
        model_version="m1",
        safe_to_automate=safe,
        blocked_because=() if safe else ("HUB",),
        detected_at=NOW,
    )


def outcome_event(command: wire.MergeCustomers, result: merging.MergeResult) -> BaseModel:
    of = {"tenant_id": TENANT, "command_id": command.command_id}
    match result:
        case merging.Merged():
            return wire.MergeCompleted(
                **of,
                merge_id=result.merge_id,
                kind=wire.OutcomeKind.MERGE,
                winner_id=result.winner.id,
                rows=wire.RowsState.COMPLETE,
                completed_at=result.merged_at,
            )
        case merging.Noop():
            return wire.MergeNoop(**of, reason=wire.NoopReason(result.reason), canonical_id=result.canonical_id)
        case merging.Refused():
            return rejected(command, *(failure.rule for failure in result.errors))
    raise AssertionError(f"the worker would have deferred: {result}")


def rejected(command: wire.MergeCustomers, *rules: str) -> wire.MergeRejected:
    errors = tuple(
        wire.RuleError(rule=rule, side=wire.Side.PAIR, message="no", remediation="none", permanent=True)
        for rule in rules
    )
    return wire.MergeRejected(
        tenant_id=TENANT, command_id=command.command_id, stage=wire.Stage.ELIGIBILITY, errors=errors, at=NOW
    )


def merged_event(command: wire.MergeCustomers, result: merging.Merged) -> wire.CustomerMerged:
    return wire.CustomerMerged(
        stream=0,
        sequence=1,
        tenant_id=TENANT,
        merge_id=result.merge_id,
        command_id=command.command_id,
        winner=wire.VersionedId(id=result.winner.id, version=result.winner.version),
        losers=tuple(
            wire.MergedLoser(id=loser.id, version=loser.version, disposition=wire.Disposition.LINK)
            for loser in result.losers
        ),
        redirects=tuple(
            wire.Redirect(from_=one.from_id, direct_to=one.direct_to, canonical=one.canonical, version=one.version)
            for one in result.redirects
        ),
        rows=wire.RowsState.COMPLETE,
        actor=command.requested_by.id,
        reason=command.reason,
        policy_version=result.policy_version,
        merged_at=result.merged_at,
    )


def received(event: BaseModel) -> Received:
    record = Record(topic="t", partition=0, offset=0, key=None, value=b"", headers={}, timestamp_ms=0)
    return Received(record=record, event=event, event_id="e")
