"""The desk's decisions on real tables: its handlers and the real merge engine on one database, without a bus.

`Shop` plays the world around the desk: it delivers events, and it carries out the desk's commands with the merge
engine, in the order a test wants.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations, permutations

import pytest
from pydantic import BaseModel
from sqlalchemy import Engine, text

import customer_events as wire
from customer_identity import merging
from customer_identity.approval import Grade
from event_runtime.codec import Codec, SchemaStore, content_digest
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
from review_desk.terminal.show import case_json

TENANT = "default"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEWARD = wire.Actor(id="eve", roles=("merge",))
PAIRS = (("a", "b"), ("b", "c"), ("a", "c"))


class Shop:
    """A database with customers, the desk's handlers on it, and a worker that does what it is told."""

    def __init__(self, url: str, policy: str) -> None:
        self.engine: Engine = create_engine(url)
        self.app = App(DeskSettings(database={"url": url}, policy=policy))
        self.tables = DeskTables()
        self.merges = MergeEngine.load("default")
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
            drafts = handler.handle(connection, [_received(event) for event in events])
            Outbox("review").append(connection, drafts)

    def find(self, *pairs: tuple[str, str], **facts: object) -> None:
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

    def by_person(self, act: Callable[..., Decided], names: Sequence[str], *arguments: object) -> Decided:
        held = self.cases()
        with self.engine.begin() as connection:
            decided = act(connection, STEWARD, [held[name] for name in names], *arguments)
            Outbox("review").append(connection, decided.drafts)
        return decided

    def approve(self, *names: str, **choices: object) -> Decided:
        return self.by_person(self.app.by_person.approve, names, Choices(reason="same person", **choices))  # type: ignore[arg-type]  # by name

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
            return connection.execute(text("SELECT count(*) FROM review.in_flight")).scalar_one()


def candidate(a: str, b: str, *, revision: int = 1, grade: wire.Grade = wire.Grade.CERTAIN, safe: bool = True):
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


def _received(event: BaseModel) -> Received:
    record = Record(topic="t", partition=0, offset=0, key=None, value=b"", headers={}, timestamp_ms=0)
    return Received(record=record, event=event, event_id="e", digest=b"")


@pytest.fixture
def shop(migrated: Callable[..., str]) -> Iterator[Shop]:
    shop = Shop(migrated("merge_worker", "review_desk", "customer_merge_demo.store"), policy="default")
    yield shop
    shop.engine.dispose()
    shop.app.database.dispose()


@pytest.mark.parametrize("outcome_first", [False, True])
@pytest.mark.parametrize("order", list(permutations(PAIRS)))
def test_three_records_of_one_person_end_under_one_id_in_whatever_order_they_are_found(
    *, shop: Shop, order: Sequence[tuple[str, str]], outcome_first: bool
):
    for customer_id in "abc":
        shop.customer(customer_id)
    shop.find(*order)
    assert shop.states() == ["APPROVED", "WAITING", "WAITING"]  # one command in flight for the whole identity
    shop.work(outcome_first=outcome_first)

    assert len(shop.canonical("a", "b", "c")) == 1
    assert shop.states() == ["CLOSED", "DONE", "DONE"]
    assert [type(outcome).__name__ for outcome in shop.ended] == ["MergeCompleted", "MergeCompleted"]
    assert shop.in_flight() == 0


def test_candidates_in_one_batch_are_serialised_like_those_that_come_one_by_one(shop: Shop):
    for customer_id in "abcd":
        shop.customer(customer_id)
    shop.deliver(shop.candidates, *(candidate(*pair) for pair in (*PAIRS, ("c", "d"))))
    assert shop.states().count("APPROVED") == 2  # a+b and c+d share nobody
    shop.work()
    assert len(shop.canonical("a", "b", "c", "d")) == 1
    assert {type(outcome).__name__ for outcome in shop.ended} == {"MergeCompleted"}


def test_a_replayed_candidate_or_outcome_changes_nothing(shop: Shop):
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"), ("a", "b"))
    commands = shop.commands()
    assert len(commands) == 1
    assert isinstance(commands[0], wire.MergeCustomers)
    told = shop.carry_out(commands[0])
    for handler, event in (*told, *told):
        shop.deliver(handler, event)
    shop.find(("a", "b"))
    assert shop.commands() == []
    assert shop.states() == ["DONE"]


def test_the_same_state_gives_the_same_command_id(shop: Shop):
    shop.customer("a")
    shop.customer("b")
    with shop.engine.connect() as connection:
        ids = []
        for _ in range(2):
            with connection.begin() as transaction:
                (draft,) = shop.candidates.handle(connection, [_received(candidate("a", "b"))])
                assert isinstance(draft.body, bytes)
                command = shop.codec.decode(draft.body)
                assert isinstance(command, wire.MergeCustomers)
                ids.append(command.command_id)
                transaction.rollback()
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda shop: shop.execute("UPDATE store.emails SET verified = NULL"), "NO_TRUSTED_IDENTIFIER"),
        (lambda shop: shop.execute("UPDATE store.customers SET legal_hold = true"), "RULE_FAILED: LEGAL_HOLD"),
        (
            lambda shop: shop.execute("UPDATE store.customers SET last_active_at = clock_timestamp()"),
            "RULE_FAILED: BOTH_ACTIVELY_USED",
        ),
    ],
    ids=["unverified", "legal hold", "a rule that only warns"],
)
def test_what_may_not_merge_automatically_waits_and_says_why(shop: Shop, prepare: Callable[[Shop], None], reason: str):
    shop.customer("a")
    shop.customer("b")
    prepare(shop)
    shop.find(("a", "b"))
    (case,) = shop.cases().values()
    assert case.state is CaseState.OPEN
    assert any(why.startswith(reason) for why in case.why)
    assert shop.commands() == []


def test_a_lesser_grade_and_a_detectors_objection_wait(shop: Shop):
    for customer_id in "abcd":
        shop.customer(customer_id)
    shop.find(("a", "b"), grade=wire.Grade.PROBABLE)
    shop.find(("c", "d"), safe=False)
    assert [case.why[0] for case in shop.cases().values()] == [
        "GRADE_NOT_AUTOMATIC: probable",
        "DETECTOR_OBJECTS: HUB",
    ]


def test_a_person_approves_what_the_policy_left_and_what_they_saw_is_kept(shop: Shop):
    shop.customer("a", verified=None)
    shop.customer("b", verified=None)
    shop.find(("a", "b"))
    decided = shop.approve("a+b", winner_id="b")
    assert [result.case.state for result in decided.results] == [CaseState.APPROVED]
    shop.work()
    assert shop.states() == ["DONE"]
    assert shop.canonical("a", "b") == {"b"}
    with shop.engine.connect() as connection:
        (made,) = shop.tables.decisions.of_case(connection, TENANT, "a+b")
    assert (made.decision, made.decided_by, made.roles, made.revision) == ("APPROVED", "eve", ("merge",), 1)
    assert made.detail["members"] == ["a", "b"]


def test_cases_approved_together_are_merged_one_after_the_other(shop: Shop):
    for customer_id in "abc":
        shop.customer(customer_id, verified=None)
    shop.find(*PAIRS)
    decided = shop.approve("a+b", "b+c", "a+c")
    assert sorted(result.case.state for result in decided.results) == ["APPROVED", "WAITING", "WAITING"]
    shop.work()
    assert len(shop.canonical("a", "b", "c")) == 1
    assert shop.states() == ["CLOSED", "DONE", "DONE"]


def test_an_approval_does_not_cover_somebody_who_joined_afterwards(shop: Shop):
    for customer_id in "abc":
        shop.customer(customer_id, verified=None)
    shop.find(("a", "b"), ("b", "c"))
    shop.approve("a+b")
    shop.approve("b+c")  # waits for a+b; eve saw b and c, not a
    assert shop.cases()["b+c"].state is CaseState.WAITING
    shop.work()
    case = shop.cases()["b+c"]
    assert case.state is CaseState.OPEN
    assert case.why == ("IDENTITY_CHANGED: a joined after the approval",)
    assert len(shop.canonical("a", "b", "c")) == 2


def test_a_person_is_told_all_rules_that_stand_against_an_approval(shop: Shop):
    shop.customer("a", verified=None)
    shop.customer("b", verified=None)
    shop.execute(
        "UPDATE store.customers SET legal_hold = true, currency = CASE customer_id WHEN 'a' THEN 'EUR' ELSE 'USD' END"
    )
    shop.find(("a", "b"))
    (result,) = shop.approve("a+b").results
    assert result.refused == "rules stand against it"
    assert {failure.rule for failure in result.failures} == {"LEGAL_HOLD", "CURRENCY_MISMATCH"}
    assert shop.commands() == []


def test_a_rejected_pair_is_never_approved_by_the_policy_not_even_through_others(shop: Shop):
    shop.customer("a", verified=None)
    shop.customer("b")
    shop.customer("c", verified=None)
    shop.find(("a", "c"))
    shop.reject("a+c")
    (command,) = shop.commands()
    assert isinstance(command, wire.MarkNotDuplicate)
    assert (command.customer_ids, command.requested_by.id) == (("a", "c"), "eve")

    shop.execute("UPDATE store.emails SET verified = true")
    shop.find(("a", "b"), ("b", "c"))  # the worker has not heard of the rejection yet
    shop.work()
    assert len(shop.canonical("a", "b", "c")) == 2
    assert sorted(case.state.value for case in shop.cases().values()) == ["DONE", "OPEN", "REJECTED"]
    assert any("NOT_DUPLICATE" in why for case in shop.cases().values() for why in case.why)

    shop.find(("a", "c"), revision=2)  # new evidence: a person decides again
    assert shop.cases()["a+c"].state is CaseState.OPEN


def test_a_command_refused_because_an_identity_moved_is_made_again_on_the_roots(shop: Shop):
    for customer_id in "abc":
        shop.customer(customer_id)
    shop.find(("a", "b"))
    (command,) = shop.commands()
    assert isinstance(command, wire.MergeCustomers)
    elsewhere = command.model_copy(
        update={"command_id": "elsewhere", "winner_id": "c", "loser_ids": ("b",), "expected_versions": {}}
    )
    (followed, merged), _ = shop.carry_out(elsewhere)
    told = shop.carry_out(command)
    assert isinstance(shop.ended[-1], wire.MergeRejected)
    for handler, event in ((followed, merged), *told):
        shop.deliver(handler, event)
    shop.work()
    assert len(shop.canonical("a", "b", "c")) == 1
    assert shop.states() == ["DONE"]
    assert shop.cases()["a+b"].attempts == 2


def test_a_refusal_that_speaks_against_the_pair_goes_to_a_person_and_is_not_tried_again(shop: Shop):
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"))
    (command,) = shop.commands()
    assert isinstance(command, wire.MergeCustomers)
    shop.deliver(shop.outcomes, rejected(command, "TWO_PEOPLE_NEEDED"))
    (case,) = shop.cases().values()
    assert (case.state, case.why) == (CaseState.OPEN, ("REJECTED at eligibility", "TWO_PEOPLE_NEEDED"))
    shop.find(("a", "b"))
    assert shop.commands() == []
    assert shop.in_flight() == 0


def test_a_merge_from_elsewhere_closes_the_case(shop: Shop):
    shop.customer("a", verified=None)
    shop.customer("b", verified=None)
    shop.find(("a", "b"))
    command = wire.MergeCustomers(
        tenant_id=TENANT,
        command_id="elsewhere",
        winner_id="a",
        loser_ids=("b",),
        requested_by=STEWARD,
        reason="upstream",
        issued_at=NOW,
    )
    for handler, event in shop.carry_out(command):
        shop.deliver(handler, event)
    (case,) = shop.cases().values()
    assert (case.state, case.why) == (CaseState.CLOSED, ("ALREADY_MERGED",))


def test_a_paused_desk_approves_nothing_until_it_is_resumed(shop: Shop):
    shop.customer("a")
    shop.customer("b")
    with shop.engine.begin() as connection:
        shop.app.pause_approval(connection, STEWARD, paused=True, reason="stocktaking")
    shop.find(("a", "b"))
    (case,) = shop.cases().values()
    assert case.why == ("PAUSED: automatic approval is switched off",)
    assert shop.look_again() == 0
    with shop.engine.begin() as connection:
        shop.app.pause_approval(connection, STEWARD, paused=False, reason="done")
    assert shop.look_again() == 1
    shop.work()
    assert shop.states() == ["DONE"]


def test_a_case_goes_through_by_itself_once_the_rule_against_it_passes(shop: Shop):
    shop.customer("a")
    shop.customer("b")
    shop.execute("UPDATE store.customers SET legal_hold = true")
    shop.find(("a", "b"))
    assert shop.look_again() == 0
    shop.execute("UPDATE store.customers SET legal_hold = false")
    assert shop.look_again() == 1
    assert shop.look_again() == 0
    shop.work()
    assert shop.states() == ["DONE"]


def test_a_look_that_changes_nothing_writes_nothing(shop: Shop):
    shop.customer("a", verified=None)
    shop.customer("b", verified=None)
    shop.find(("a", "b"))
    before = shop.versions()
    assert shop.look_again() == 0
    assert shop.versions() == before


def test_a_case_that_waits_for_the_identity_map_goes_on_when_it_arrives_whomever_it_names(shop: Shop):
    for customer_id in "abyz":
        shop.customer(customer_id)
    shop.find(("a", "b"))
    shop.work()
    (winner,) = shop.canonical("a", "b")
    loser = "b" if winner == "a" else "a"
    late = shop.carry_out(
        wire.MergeCustomers(
            tenant_id=TENANT,
            command_id="elsewhere",
            winner_id=winner,
            loser_ids=("z",),
            requested_by=STEWARD,
            reason="upstream",
            issued_at=NOW,
        )
    )
    shop.find((loser, "y"))  # names neither z nor the winner, who has become z as well
    assert shop.cases()[f"{loser}+y"].why == ("IDENTITY_CATCHING_UP",)
    for handler, event in late:
        shop.deliver(handler, event)
    shop.work()
    assert shop.states() == ["DONE", "DONE"]
    assert shop.canonical("a", "b", "y", "z") == {winner}


@pytest.mark.parametrize("seed", range(8))
def test_whatever_overtakes_whatever_no_case_waits_for_ever_and_no_command_is_refused(shop: Shop, seed: int):
    """Candidates, commands, outcomes and merges interleave anyhow; only merges keep their order, as in their stream."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    people = [[f"{person}{record}" for record in "abcdef"] for person in "pq"]
    for person in people:
        for customer_id in person:
            shop.customer(customer_id, email=f"{person[0]}@example.com")
    found = [pair for person in people for pair in combinations(person, 2)]
    chance.shuffle(found)
    commands: list[wire.MergeCustomers] = []
    merges: deque[BaseModel] = deque()
    outcomes: list[BaseModel] = []
    while found or commands or merges or outcomes:
        step = chance.choice([name for name, todo in _todo(found, commands, merges, outcomes) if todo])
        if step == "candidate":
            shop.find(found.pop())
        elif step == "command":
            for handler, event in shop.carry_out(commands.pop(chance.randrange(len(commands)))):
                (merges if handler is shop.followed else outcomes).append(event)
        elif step == "merge":
            shop.deliver(shop.followed, merges.popleft())
        else:
            shop.deliver(shop.outcomes, outcomes.pop(chance.randrange(len(outcomes))))
        commands.extend(one for one in shop.commands() if isinstance(one, wire.MergeCustomers))
    assert set(shop.states()) == {"DONE", "CLOSED"}
    assert {type(outcome).__name__ for outcome in shop.ended} == {"MergeCompleted"}
    assert [len(shop.canonical(*person)) for person in people] == [1, 1]
    assert shop.in_flight() == 0


def _todo(*queues: Sequence[object] | deque[BaseModel]) -> list[tuple[str, bool]]:
    return [
        (name, bool(queue)) for name, queue in zip(("candidate", "command", "merge", "outcome"), queues, strict=True)
    ]


def test_an_unmerge_leaves_its_case_rejected(shop: Shop):
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"))
    shop.work()
    (case,) = shop.cases().values()
    assert case.merge_id is not None
    order = merging.UnmergeOrder(
        tenant_id=TENANT,
        command_id="undo",
        merge_id=case.merge_id,
        requested_by=merging.ActorRef(id="eve", roles=("merge",)),
        reason="two people",
    )
    with shop.engine.begin() as connection:
        undone = shop.merges.unmerge(connection, order)
    assert isinstance(undone, merging.Unmerged)
    event = wire.CustomerUnmerged(
        stream=0,
        sequence=2,
        tenant_id=TENANT,
        unmerge_id=undone.unmerge_id,
        merge_id=undone.merge_id,
        command_id="undo",
        mode=wire.UnmergeMode.LINEAR,
        from_id=undone.from_id,
        restored=tuple(wire.VersionedId(id=one.id, version=one.version) for one in undone.restored),
        redirects=tuple(
            wire.Redirect(from_=one.from_id, direct_to=one.direct_to, canonical=one.canonical, version=one.version)
            for one in undone.redirects
        ),
        at=NOW,
    )
    shop.deliver(shop.followed, event)
    (case,) = shop.cases().values()
    assert (case.state, case.why, case.denied) == (CaseState.REJECTED, ("UNMERGED",), True)


def test_tenants_do_not_wait_for_each_other(shop: Shop):
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"))
    other = candidate("a", "b").model_copy(update={"tenant_id": "other"})
    shop.deliver(shop.candidates, other)
    assert shop.states() == ["APPROVED"]
    assert shop.states("other") == ["OPEN"]  # it has no such customers


def test_the_refusal_of_other_content_under_a_commands_id_does_not_end_the_command(shop: Shop):
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"))
    (command,) = shop.commands()
    assert isinstance(command, wire.MergeCustomers)
    shop.deliver(shop.outcomes, rejected(command, "IDEMPOTENCY_KEY_REUSED"))
    assert shop.states() == ["APPROVED"]
    assert shop.in_flight() == 2
    for handler, event in shop.carry_out(command):
        shop.deliver(handler, event)
    assert shop.states() == ["DONE"]
    assert shop.in_flight() == 0


def test_a_command_whose_outcome_does_not_come_is_sent_again_word_for_word_ever_more_rarely(shop: Shop):
    for customer_id in "abcd":
        shop.customer(customer_id)
    shop.find(("a", "b"))
    shop.find(("c", "d"), grade=wire.Grade.PROBABLE)
    shop.reject("c+d")
    lost = shop.commands()
    assert shop.resend() == 0
    shop.let_pass(11)
    assert shop.resend() == 2
    again = shop.commands()
    assert sorted(map(content_digest, again)) == sorted(map(content_digest, lost))
    shop.let_pass(10)
    assert shop.resend() == 0  # as long again as it has taken so far
    shop.let_pass(2)
    assert shop.resend() == 2

    (command,) = (one for one in again if isinstance(one, wire.MergeCustomers))
    shop.commands()
    for handler, event in shop.carry_out(command):
        shop.deliver(handler, event)
    assert shop.states() == ["DONE", "REJECTED"]
    shop.let_pass(100_000)
    assert shop.resend() == 1  # what has ended is left alone
    assert [type(one).__name__ for one in shop.commands()] == ["MarkNotDuplicate"]


def test_commands_of_people_without_a_case_are_sent_again_too(shop: Shop):
    for customer_id in "abcd":
        shop.customer(customer_id)
    choices = Choices(reason="on the phone", winner_id="a")
    with shop.engine.begin() as connection:
        asked = shop.app.request_merges.merge(connection, TENANT, STEWARD, ["b"], choices)
        recommended = shop.app.request_merges.recommend(connection, TENANT, STEWARD, ["d"], choices)
        removed = shop.app.request_merges.remove(connection, TENANT, STEWARD, ["r1"], "not wanted")
        shop.app.publish(connection, [*asked.drafts, *recommended.drafts, *removed.drafts])
    lost = shop.commands()
    shop.let_pass(11)
    assert shop.resend() == 3
    assert sorted(map(content_digest, shop.commands())) == sorted(map(content_digest, lost))


def test_the_age_of_the_command_in_flight_is_shown_with_its_case_and_with_those_that_wait_for_it(shop: Shop):
    for customer_id in "abc":
        shop.customer(customer_id)
    shop.find(("a", "b"), ("b", "c"))
    shop.let_pass(61)
    cases = shop.cases()
    with shop.engine.connect() as connection:
        ages = shop.app.show_case.ages(connection, list(cases.values()))
        shown = shop.app.show_case(connection, cases["a+b"])
    assert {int(age.total_seconds() // 60) for age in ages.values()} == {61}
    assert ages.keys() == {case.case_no for case in cases.values()}
    assert shown.in_flight is not None
    assert case_json(cases["a+b"], shown.in_flight)["in_flight_s"] // 60 == 61
    shop.work()
    with shop.engine.connect() as connection:
        assert shop.app.show_case.ages(connection, list(shop.cases().values())) == {}
