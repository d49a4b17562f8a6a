"""Look records up, score what is found, and tell of the pairs that are news."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from customer_events import (
    CandidatePair,
    Evidence,
    Grade,
    Member,
    MergeCandidateFound,
    MergeCandidateWithdrawn,
    WithdrawalReason,
)
from customer_identity.matching import grades
from customer_identity.matching.evidence import blocks, candidate_id, evidence_digest, evidence_of
from customer_identity.matching.index import duplicates_code
from customer_identity.matching.matcher import Matcher, Matches
from customer_identity.matching.model import Model
from dedupe_detector.adapters import identity_tables, pair_tables
from dedupe_detector.adapters.pair_tables import PairChange, PairKey, ScoredPair, pair_key
from dedupe_detector.adapters.postgres_index import PostgresIndex
from event_runtime.drafts import Draft
from event_runtime.publisher import Publisher

_NOT_DUPLICATE_BLOCK = "NOT_DUPLICATE"
_NOW = text("SELECT clock_timestamp()")


class FindCandidates:
    """Matching of a batch against the whole index, inside one open transaction."""

    def __init__(self, model: Model, publisher: Publisher) -> None:
        """With the model that scores and the publisher that makes drafts."""
        self._model = model
        self._publisher = publisher

    def find(self, connection: Connection, customers: Sequence[tuple[str, str]]) -> list[Draft]:
        """Candidates that are news about these (tenant, customer id)s, as they are indexed now."""
        index = PostgresIndex(connection)
        batch = index.entries_of(customers)
        if not batch:
            return []
        numbers = {(entry.tenant_id, entry.customer_id): entry.number for entry in batch}
        standing = pair_tables.open_pairs_of(connection, list(numbers))
        also = self._also(index, standing, numbers)
        matches = Matcher(self._model, index).match(batch, only_earlier=False, also=also)
        changes = self._record(connection, matches, set(standing))
        self._count(index, changes)
        found = [change for change in changes if change.state == pair_tables.OPEN]
        gone = [change for change in changes if change.state == pair_tables.WITHDRAWN]
        return [
            *self._tell(connection, matches, [c for c in found if c.grade != c.previous_grade]),
            *self.withdraw(connection, [c for c in gone if c.previous_grade], WithdrawalReason.EVIDENCE_CHANGED),
        ]

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

    def _also(
        self, index: PostgresIndex, standing: Sequence[PairKey], numbers: dict[tuple[str, str], int]
    ) -> list[tuple[int, int]]:
        """Pairs told of before are compared again, even if blocking would no longer bring them together."""
        others = [(k.tenant_id, one) for k in standing for one in (k.a, k.b) if (k.tenant_id, one) not in numbers]
        known = numbers | {(e.tenant_id, e.customer_id): e.number for e in index.entries_of(others)}
        out: list[tuple[int, int]] = []
        for key in standing:
            a, b = known.get((key.tenant_id, key.a)), known.get((key.tenant_id, key.b))
            if a is not None and b is not None:
                out.append((a, b) if (key.tenant_id, key.a) in numbers else (b, a))
        return out

    def _record(self, connection: Connection, matches: Matches, standing: set[PairKey]) -> list[PairChange]:
        customers = sorted({(e.tenant_id, e.customer_id) for e in (*matches.left, *matches.right)})
        roots = identity_tables.roots(connection, customers)
        scored: list[ScoredPair] = []
        for row, (a, b) in enumerate(zip(matches.left, matches.right, strict=True)):
            key = pair_key(a.tenant_id, a.customer_id, b.customer_id)
            grade = int(matches.grade[row])
            if grade == grades.Grade.NONE and key not in standing:
                continue
            one = roots.get((a.tenant_id, a.customer_id), a.customer_id)
            other = roots.get((b.tenant_id, b.customer_id), b.customer_id)
            state = pair_tables.MERGED if one == other else pair_tables.OPEN if grade else pair_tables.WITHDRAWN
            scored.append(
                ScoredPair(
                    key=key,
                    state=state,
                    grade=grade,
                    score=float(matches.score[row]),
                    evidence=evidence_digest(matches, row, self._model.version),
                )
            )
        return pair_tables.record(connection, scored)

    def _count(self, index: PostgresIndex, changes: Sequence[PairChange]) -> None:
        """The share of duplicates a base has is learned from the pairs found in it."""
        more: dict[int, int] = {}
        for change in changes:
            if change.revision == 1 and change.grade >= grades.Grade.PROBABLE:
                code = duplicates_code(change.key.tenant_id)
                more[code] = more.get(code, 0) + 1
        index.add_counts(more)

    def _tell(self, connection: Connection, matches: Matches, changes: Sequence[PairChange]) -> list[Draft]:
        if not changes:
            return []
        rows = {
            pair_key(a.tenant_id, a.customer_id, b.customer_id): row
            for row, (a, b) in enumerate(zip(matches.left, matches.right, strict=True))
        }
        groups = self._members(connection, changes)
        asserted = pair_tables.asserted_among(
            connection,
            [(c.key.tenant_id, [m.customer_id for m in group]) for c, group in zip(changes, groups, strict=True)],
        )
        at = _now(connection)
        return [
            self._publisher.draft(
                self._event(matches, rows[change.key], change, group, asserted=position in asserted, at=at)
            )
            for position, (change, group) in enumerate(zip(changes, groups, strict=True))
        ]

    def _members(self, connection: Connection, changes: Sequence[PairChange]) -> list[tuple[Member, ...]]:
        """For each pair all members of both identities, with the versions the detector has seen."""
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
            ids |= {change.key.a, change.key.b}
            out.append(tuple(Member(customer_id=one, version=versions.get((tenant, one), 0)) for one in sorted(ids)))
        return out

    def _event(
        self,
        matches: Matches,
        row: int,
        change: PairChange,
        members: tuple[Member, ...],
        *,
        asserted: bool,
        at: datetime,
    ) -> MergeCandidateFound:
        blocked = [*blocks(matches, row), *((_NOT_DUPLICATE_BLOCK,) if asserted else ())]
        return MergeCandidateFound(
            tenant_id=change.key.tenant_id,
            candidate_id=candidate_id(change.key.tenant_id, change.key.a, change.key.b),
            revision=change.revision,
            members=members,
            pair=CandidatePair(a=change.key.a, b=change.key.b),
            score=float(matches.score[row]),
            grade=Grade(grades.Grade(change.grade).name),
            evidence=tuple(Evidence(field=e.field, level=e.level, weight=e.weight) for e in evidence_of(matches, row)),
            model_version=self._model.version,
            safe_to_automate=not blocked,
            blocked_because=tuple(blocked),
            detected_at=at,
        )


def _now(connection: Connection) -> datetime:
    at: datetime = connection.execute(_NOW).scalar_one()
    return at
