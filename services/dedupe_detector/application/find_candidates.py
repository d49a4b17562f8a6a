"""Look records up, score what is found, and tell of the pairs that are news."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, text

from customer_events import (
    CandidatePair,
    Evidence,
    Grade,
    Member,
    MergeCandidateFound,
    MergeCandidateWithdrawn,
    WithdrawalReason,
    unchecked,
)
from customer_identity.matching import grades
from customer_identity.matching.evidence import blocks, candidate_id, evidence_digest, evidence_of
from customer_identity.matching.index import Entry, duplicates_code
from customer_identity.matching.matcher import Matcher, Matches
from customer_identity.matching.model import Model
from dedupe_detector.adapters import identity_tables, pair_tables
from dedupe_detector.adapters.pair_tables import PairChange, PairKey, ScoredPair, pair_key
from dedupe_detector.adapters.postgres_index import HotKeys, PostgresIndex
from dedupe_detector.application.look_up import look_up
from dedupe_detector.application.scoring_models import ScoringModels
from event_runtime.drafts import Draft
from event_runtime.publisher import Publisher

# Of what was checked when it was read, and what is made here.
_CandidatePair, _Evidence, _Member = unchecked(CandidatePair), unchecked(Evidence), unchecked(Member)
_MergeCandidateFound = unchecked(MergeCandidateFound)
_NOT_DUPLICATE_BLOCK = "NOT_DUPLICATE"
_NOW = text("SELECT clock_timestamp()")


class FindCandidates:
    """Matching of a batch against the whole index, inside one open transaction."""

    def __init__(
        self, model: Model, publisher: Publisher, count_capped: Callable[[float], None] = lambda _: None
    ) -> None:
        """With the model of tenants that have no fit of their own yet, and the publisher that makes drafts.

        `count_capped` is told how many keys of a batch were too common to find anything by.
        """
        self._models = ScoringModels(model)
        self._publisher = publisher
        self._count_capped = count_capped
        self.hot = HotKeys()

    def find(
        self, connection: Connection, customers: Sequence[tuple[str, str]], *, also: Sequence[PairKey] = ()
    ) -> list[Draft]:
        """Candidates that are news about these (tenant, customer id)s, as they are indexed now.

        `also`: pairs of these customers to compare even if blocking does not bring them together.
        """
        index = PostgresIndex(connection, self.hot)
        batch = index.entries_of(customers)
        if not batch:
            return []
        numbers = {(entry.tenant_id, entry.customer_id): entry.number for entry in batch}
        standing = pair_tables.open_pairs_of(connection, list(numbers))
        given = self._numbers(index, dict.fromkeys([*standing, *also]), numbers)
        models = self._models.of(connection, {entry.tenant_id for entry in batch})
        scored: dict[PairKey, _Scored] = {}
        for tenant, model in models.items():
            matcher = Matcher(model, index)
            own = [entry for entry in batch if entry.tenant_id == tenant]
            here = {entry.number for entry in own}
            matches = look_up(connection, matcher, own, [pair for pair in given if pair[0] in here])
            self._count_capped(matches.capped_keys)
            told = {key for key in standing if key.tenant_id == tenant}
            scored |= _as_held(connection, matcher, _scored(matches, model, told), told)
        changes = self._record(connection, scored)
        found = [change for change in changes if change.state == pair_tables.OPEN]
        gone = [change for change in changes if change.state == pair_tables.WITHDRAWN]
        drafts = [
            *self._tell(connection, scored, [c for c in found if c.grade != c.previous_grade]),
            *self.withdraw(connection, [c for c in gone if c.previous_grade], WithdrawalReason.EVIDENCE_CHANGED),
        ]
        self._count(index, changes)  # last: a tenant's workers wait for each other there
        return drafts

    def withdraw(self, connection: Connection, changes: Sequence[PairChange], why: WithdrawalReason) -> list[Draft]:
        """Drafts that withdraw candidates."""
        if not changes:
            return []
        at = _now(connection)
        return [
            self._publisher.draft(
                MergeCandidateWithdrawn(
                    tenant_id=change.key.tenant_id,
                    candidate_id=candidate_id(change.key.tenant_id, change.key.a, change.key.b),
                    revision=change.revision,
                    reason=why,
                    at=at,
                )
            )
            for change in changes
        ]

    def _numbers(
        self, index: PostgresIndex, pairs: Iterable[PairKey], numbers: dict[tuple[str, str], int]
    ) -> list[tuple[int, int]]:
        """Pairs by number, the batch's member first. Those told of before are always compared again."""
        pairs = list(pairs)
        others = [(k.tenant_id, one) for k in pairs for one in (k.a, k.b) if (k.tenant_id, one) not in numbers]
        known = numbers | {(e.tenant_id, e.customer_id): e.number for e in index.entries_of(others)}
        out: list[tuple[int, int]] = []
        for key in pairs:
            a, b = known.get((key.tenant_id, key.a)), known.get((key.tenant_id, key.b))
            if a is not None and b is not None:
                out.append((a, b) if (key.tenant_id, key.a) in numbers else (b, a))
        return out

    def _record(self, connection: Connection, scored: Mapping[PairKey, "_Scored"]) -> list[PairChange]:
        customers = sorted({(e.tenant_id, e.customer_id) for one in scored.values() for e in one.sides})
        roots = identity_tables.roots(connection, customers)
        pairs: list[ScoredPair] = []
        for key, one in scored.items():
            root, other = (roots.get((key.tenant_id, end), end) for end in (key.a, key.b))
            state = pair_tables.MERGED if root == other else pair_tables.OPEN if one.grade else pair_tables.WITHDRAWN
            pairs.append(
                ScoredPair(
                    key=key,
                    state=state,
                    grade=one.grade,
                    score=float(one.matches.score[one.row]),
                    evidence=evidence_digest(one.matches, one.row),
                )
            )
        return pair_tables.record(connection, pairs)

    def _count(self, index: PostgresIndex, changes: Sequence[PairChange]) -> None:
        """The share of duplicates a base has is learned from the pairs found in it."""
        more: dict[int, int] = {}
        for change in changes:
            if change.revision == 1 and change.grade >= grades.Grade.PROBABLE:
                code = duplicates_code(change.key.tenant_id)
                more[code] = more.get(code, 0) + 1
        index.add_counts(more)

    def _tell(
        self, connection: Connection, scored: Mapping[PairKey, "_Scored"], changes: Sequence[PairChange]
    ) -> list[Draft]:
        if not changes:
            return []
        groups = self._members(connection, scored, changes)
        asserted = pair_tables.asserted_among(
            connection,
            [(c.key.tenant_id, [m.customer_id for m in group]) for c, group in zip(changes, groups, strict=True)],
        )
        at = _now(connection)
        return [
            self._publisher.draft(self._event(scored[change.key], change, group, asserted=position in asserted, at=at))
            for position, (change, group) in enumerate(zip(changes, groups, strict=True))
        ]

    def _members(
        self, connection: Connection, scored: Mapping[PairKey, "_Scored"], changes: Sequence[PairChange]
    ) -> list[tuple[Member, ...]]:
        """For each pair all members of both identities: the pair in the versions compared, others as they are held."""
        customers = sorted({(c.key.tenant_id, one) for c in changes for one in (c.key.a, c.key.b)})
        roots = identity_tables.roots(connection, customers)
        canonical = sorted({(tenant, roots.get((tenant, one), one)) for tenant, one in customers})
        identities = identity_tables.members(connection, canonical)
        everyone = sorted({(tenant, one) for (tenant, _), ids in identities.items() for one in ids})
        versions = identity_tables.versions(connection, everyone)
        out: list[tuple[Member, ...]] = []
        for change in changes:
            tenant = change.key.tenant_id
            ids = {
                one for end in (change.key.a, change.key.b) for one in identities[tenant, roots.get((tenant, end), end)]
            }
            compared = {entry.customer_id: entry.version for entry in scored[change.key].sides}
            out.append(
                tuple(
                    _Member(customer_id=one, version=compared.get(one, versions.get((tenant, one), 0)))
                    for one in sorted(ids | compared.keys())
                )
            )
        return out

    def _event(
        self,
        scored: "_Scored",
        change: PairChange,
        members: tuple[Member, ...],
        *,
        asserted: bool,
        at: datetime,
    ) -> MergeCandidateFound:
        matches, row = scored.matches, scored.row
        blocked = [*blocks(matches, row), *((_NOT_DUPLICATE_BLOCK,) if asserted else ())]
        return _MergeCandidateFound(
            tenant_id=change.key.tenant_id,
            candidate_id=candidate_id(change.key.tenant_id, change.key.a, change.key.b),
            revision=change.revision,
            members=members,
            pair=_CandidatePair(a=change.key.a, b=change.key.b),
            score=float(matches.score[row]),
            grade=Grade(grades.Grade(change.grade).name),
            evidence=tuple(
                _Evidence(field=e.field, level=e.level, weight=e.weight)
                for e in evidence_of(matches, row, scored.model)
            ),
            model_version=scored.model.version,
            safe_to_automate=not blocked,
            blocked_because=tuple(blocked),
            detected_at=at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """One pair that the matcher scored: a row of its answer."""

    matches: Matches
    row: int
    model: Model

    @property
    def sides(self) -> tuple[Entry, Entry]:
        """The two records as they were compared."""
        return self.matches.left[self.row], self.matches.right[self.row]

    @property
    def grade(self) -> int:
        """0: the pair does not hold."""
        return int(self.matches.grade[self.row])


def _scored(matches: Matches, model: Model, standing: set[PairKey]) -> dict[PairKey, _Scored]:
    """What is worth recording: pairs that hold, and those that were told of whether they hold or not."""
    out: dict[PairKey, _Scored] = {}
    for row in np.flatnonzero((matches.grade > grades.Grade.NONE) | matches.given).tolist():
        a, b = matches.left[row], matches.right[row]
        key = pair_key(a.tenant_id, a.customer_id, b.customer_id)
        if matches.grade[row] > grades.Grade.NONE or key in standing:
            out[key] = _Scored(matches=matches, row=row, model=model)
    return out


def _as_held(
    connection: Connection, matcher: Matcher, looked_up: Mapping[PairKey, _Scored], standing: set[PairKey]
) -> dict[PairKey, _Scored]:
    """The pairs of records that are held until the commit; where one had changed since the look-up, scored again.

    So no pair is told of from a record that is no more: who stores a newer version, or an erasure, either did so before
    this, or waits for the commit and then finds the pair standing. Pairs of erased records are left to the erasure.
    To drop changed pairs, too, would not do: blocking need not find from the new version what it found from here.
    """
    held = PostgresIndex(connection).hold((e.tenant_id, e.customer_id) for one in looked_up.values() for e in one.sides)
    fresh: dict[PairKey, _Scored] = {}
    changed: dict[PairKey, tuple[Entry, Entry]] = {}
    for key, one in looked_up.items():
        a, b = (held.get(entry.number) for entry in one.sides)
        if a is None or b is None:
            continue
        if (a.version, b.version) == tuple(entry.version for entry in one.sides):
            fresh[key] = one
        else:
            changed[key] = (a, b)
    if not changed:
        return fresh
    batch = {entry.number: entry for pair in changed.values() for entry in pair}
    # a whole look-up, since it also notices which identifiers of the new version other people share
    also = [(a.number, b.number) for a, b in changed.values()]
    matches = look_up(connection, matcher, [batch[n] for n in sorted(batch)], also)
    again = _scored(matches, matcher.model, standing)
    return fresh | {key: again[key] for key in changed if key in again}


def _now(connection: Connection) -> datetime:
    at: datetime = connection.execute(_NOW).scalar_one()
    return at
