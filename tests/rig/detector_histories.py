"""What becomes of customers while a detector looks on, and what must hold after any of it."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import customer_events as wire
from rig.bare_detector import Detector
from rig.detector_world import person

PEOPLE = 3
CUSTOMERS = tuple("abcdefg")
_AT = datetime(2026, 11, 1, tzinfo=UTC)
_ACTOR = wire.Actor(id="sam", roles=("merge",))
_Pair = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class History:
    """Customers of one tenant as everybody else knows them, and everything that the detector told of them."""

    detector: Detector
    tenant: str
    versions: dict[str, int] = field(default_factory=dict)
    shows: dict[str, int] = field(default_factory=dict)
    """Which person each customer's values are of, those left out that were erased."""
    erased: set[str] = field(default_factory=set)
    identity: dict[str, str] = field(default_factory=dict)
    alias_versions: dict[str, int] = field(default_factory=dict)
    apart: set[_Pair] = field(default_factory=set)
    """Pairs that somebody asserted, or took apart, while they agreed as they do whenever they show one person."""
    unlike: set[_Pair] = field(default_factory=set)
    """Pairs that were withdrawn because they agreed no more: who asserts them then says nothing of agreeing ones."""
    last: dict[_Pair, Any] = field(default_factory=dict)
    sent: list[Any] = field(default_factory=list)
    steps: int = 0

    def attributes(self, number: int) -> dict[str, Any]:
        """Values of a person whom no other history has."""
        return person(number * 1000 + int(self.tenant))

    def customer(self, one: str, number: int, *, stale: bool = False) -> None:
        """A new version of a customer, showing a person; `stale`: with an old number."""
        version = self.versions.get(one, 0) + (0 if stale else 1)
        if version == 0:
            return
        kind = wire.CustomerCreated if version == 1 else wire.CustomerUpdated
        event = kind(
            tenant_id=self.tenant, customer_id=one, version=version, occurred_at=_AT, source="web",
            attributes=wire.Attributes(**self.attributes(number)),
        )  # fmt: skip
        if not stale:
            self.versions[one] = version
            if one not in self.erased and self.shows.get(one) != number:
                self.shows[one] = number
        self.sent.append(event)
        self._receive(event)

    def erase(self, one: str) -> None:
        """A customer is erased, for good."""
        self.versions[one] = self.versions.get(one, 0) + 1
        self.erased.add(one)
        self.shows.pop(one, None)
        event = wire.CustomerErased(tenant_id=self.tenant, customer_id=one, version=self.versions[one], occurred_at=_AT)
        self.sent.append(event)
        self._receive(event)

    def merge(self, winner: str, loser: str) -> None:
        """Two identities become one."""
        winner, loser = self.root(winner), self.root(loser)
        if winner == loser:
            return
        moved = self.members(loser)
        redirects = tuple(self._redirect(one, winner) for one in moved)
        event = wire.CustomerMerged(
            tenant_id=self.tenant, merge_id=f"m{self.steps}", command_id=f"c{self.steps}",
            winner=wire.VersionedId(id=winner, version=2),
            losers=(wire.MergedLoser(id=loser, version=2, disposition=wire.Disposition.LINK),),
            redirects=redirects, rows=wire.RowsState.COMPLETE, actor="sam", reason="r", policy_version="1",
            merged_at=_AT,
        )  # fmt: skip
        self.sent.append(event)
        self._receive(event)

    def unmerge(self, *ones: str) -> None:
        """Customers leave the identity they were merged into, each on its own again."""
        leaving = [one for one in ones if self.root(one) != one]
        if not leaving or len({self.root(one) for one in leaving}) != 1:
            return
        root = self.root(leaving[0])
        redirects = tuple(self._redirect(one, one) for one in leaving)
        staying = [one for one in self.members(root) if one not in leaving]
        self.apart |= {_pair(one, other) for one in leaving for other in staying} - self.unlike
        event = wire.CustomerUnmerged(
            tenant_id=self.tenant, unmerge_id=f"u{self.steps}", merge_id="m", command_id=f"c{self.steps}",
            mode=wire.UnmergeMode.LINEAR, from_id=root,
            restored=tuple(wire.VersionedId(id=one, version=3) for one in leaving), redirects=redirects, at=_AT,
        )  # fmt: skip
        self._receive(event)

    def mark(self, *ones: str, withdrawn: bool = False) -> None:
        """Somebody says that these are different people, or takes it back."""
        pairs = {_pair(a, b) for a, b in combinations(sorted(set(ones)), 2)}
        self.apart = self.apart - pairs if withdrawn else self.apart | (pairs - self.unlike)
        event = wire.MarkNotDuplicate(
            tenant_id=self.tenant, command_id=f"n{self.steps}", customer_ids=tuple(sorted(set(ones))),
            withdrawn=withdrawn, requested_by=_ACTOR, reason="r",
        )  # fmt: skip
        self._receive(event)

    def redeliver(self, position: int) -> None:
        """A customer event or a merge comes again, long after."""
        if self.sent:
            self._receive(self.sent[position % len(self.sent)])

    def root(self, one: str) -> str:
        """The canonical id of a customer."""
        return self.identity.get(one, one)

    def members(self, root: str) -> list[str]:
        """All customers of an identity."""
        return [one for one in CUSTOMERS if self.root(one) == root]

    def check(self) -> None:
        """What was told last of each pair is what the state says, and the state is what the history says."""
        held = {
            _pair(row.a, row.b): row
            for row in self.detector.sql(
                "SELECT a, b, state, grade, revision FROM detector.pairs WHERE tenant_id = :tenant", tenant=self.tenant
            )
        }
        opened = {pair for pair, row in held.items() if row.state == "OPEN"}
        found = {pair: e for pair, e in self.last.items() if isinstance(e, wire.MergeCandidateFound)}
        assert opened == set(found)
        for pair, event in found.items():
            assert wire.Grade(event.grade).name == ("POSSIBLE", "PROBABLE", "CERTAIN")[held[pair].grade - 1]
            assert event.revision == held[pair].revision
        assert opened == self.due(), f"told and not due {opened - self.due()}, due and not told {self.due() - opened}"

    def due(self) -> set[_Pair]:
        """Pairs that show one person, are known as two, and of which nobody said that they are two people."""
        living = sorted(self.shows)
        alike = {_pair(a, b) for a, b in combinations(living, 2) if self.shows[a] == self.shows[b]}
        return {(a, b) for a, b in alike if self.root(a) != self.root(b)} - self.apart

    def _redirect(self, one: str, to: str) -> wire.Redirect:
        self.alias_versions[one] = self.alias_versions.get(one, 0) + 1
        self.identity[one] = to
        return wire.Redirect(from_=one, direct_to=to, canonical=to, version=self.alias_versions[one])

    def _receive(self, event: Any) -> None:
        self.steps += 1
        self._hear(self.detector.receive(event))
        self._hear(self.detector.receive(event))  # the same batch once more, as after a crash before its offsets
        self.check()

    def _hear(self, told: Iterable[Any]) -> None:
        for event in told:
            pair = self._pair_of(event)
            before = self.last.get(pair)
            assert before is None or event.revision > before.revision, "an older revision after a newer one"
            if isinstance(event, wire.MergeCandidateFound):
                assert not isinstance(before, wire.MergeCandidateFound) or before.grade != event.grade, "told twice"
                expected = {m for one in pair for m in self.members(self.root(one)) if m not in self.erased}
                assert {member.customer_id for member in event.members} == expected | set(pair)
                self.unlike.discard(pair)
            else:
                assert isinstance(before, wire.MergeCandidateFound), "withdrawn what did not stand"
                if event.reason is wire.WithdrawalReason.EVIDENCE_CHANGED:
                    self.unlike.add(pair)
            self.last[pair] = event

    def _pair_of(self, event: Any) -> _Pair:
        if isinstance(event, wire.MergeCandidateFound):
            return _pair(event.pair.a, event.pair.b)
        return next(pair for pair, last in self.last.items() if last.candidate_id == event.candidate_id)


def _pair(one: str, other: str) -> _Pair:
    return min(one, other), max(one, other)


def random_steps(history: History, seed: int, steps: int) -> Iterator[str]:
    """Takes so many steps that the seed draws; yields the name of each."""
    draw = random.Random(seed)  # noqa: S311 - a history, the same at each run
    for one in CUSTOMERS[:4]:
        history.customer(one, draw.randrange(PEOPLE))
    for _ in range(steps):
        one, other, third = draw.sample(CUSTOMERS, 3)
        step = draw.choices(
            ("change", "stale", "erase", "merge", "unmerge", "unmerge two", "mark", "unmark", "redeliver"),
            (8, 1, 1, 4, 3, 1, 3, 2, 3),
        )[0]
        yield f"{step} {one} {other} {third}"
        match step:
            case "change":
                history.customer(one, draw.randrange(PEOPLE))
            case "stale":
                history.customer(one, draw.randrange(PEOPLE), stale=True)
            case "erase":
                history.erase(one)
            case "merge":
                history.merge(one, other)
            case "unmerge":
                history.unmerge(one)
            case "unmerge two":
                history.unmerge(one, other, third)
            case "mark":
                history.mark(one, other)
            case "unmark":
                history.mark(one, other, withdrawn=True)
            case "redeliver":
                history.redeliver(draw.randrange(1000))
