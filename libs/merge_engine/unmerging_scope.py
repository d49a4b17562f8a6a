"""What a merge that is to be taken apart stands in: who answers for its winner now, and the merges that met its rows.

A merge's winner may have been merged on, and others may have joined it, or those above it, since. The customers from
the merge's winner up to the root are the way. Rows that came late, under an id merged away long before, went through
merges that are older or further below: so every merge that stands in the identity may have met rows of the losers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.values import MergeRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingMerge:
    """A merge of the identity; `losers` are those still merged, in the order in which they were named."""

    merge_id: str
    winner_id: str
    losers: tuple[str, ...]
    facilitator_id: str | None
    merged_at: datetime

    @property
    def age(self) -> tuple[datetime, str]:
        """What merges are sorted by; ids are UUIDv7."""
        return self.merged_at, self.merge_id


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The merge, its losers that go, the way (its winner first, the root last) and all merges of the identity.

    `standing` is sorted by age and holds the merge itself. `hops` are the ids under which the customers of the way
    became the next one: of merges, or of conversions that gave the customer another id.
    """

    merge: MergeRecord
    leaving: tuple[str, ...]
    way: tuple[str, ...]
    hops: tuple[str, ...]
    standing: tuple[StandingMerge, ...]

    @property
    def tenant_id(self) -> str:
        """Whose customers these are."""
        return self.merge.tenant_id

    @property
    def root_id(self) -> str:
        """Who answers for the merge's winner now."""
        return self.way[-1]

    @cached_property
    def by_id(self) -> Mapping[str, StandingMerge]:
        """The standing merges by their ids."""
        return {merge.merge_id: merge for merge in self.standing}

    @property
    def own(self) -> StandingMerge:
        """The merge itself."""
        return self.by_id[self.merge.merge_id]

    @property
    def staying(self) -> tuple[str, ...]:
        """Losers of the merge that are not asked for."""
        return tuple(loser_id for loser_id in self.own.losers if loser_id not in self.leaving)

    @cached_property
    def newer(self) -> tuple[StandingMerge, ...]:
        """Merges on the way that came later, the oldest first."""
        return tuple(merge for merge in self.standing if merge.age > self.own.age and merge.winner_id in self.way)

    @cached_property
    def carriers(self) -> tuple[StandingMerge, ...]:
        """Merges that carried a customer of the way to the next one, from the merge's winner upwards."""
        return tuple(self.by_id[hop] for hop in self.hops)

    @property
    def conversions(self) -> tuple[str, ...]:
        """Conversions on the way."""
        return tuple(hop for hop in self.hops if hop not in self.by_id)


def load_scope(connection: Connection, compiled: CompiledPlan, merge: MergeRecord, leaving: Sequence[str]) -> Scope:
    """Read the way and what stands on it; the root must be locked."""
    schema = compiled.names.schema
    way = connection.exec_driver_sql(
        f"""
WITH RECURSIVE way AS (
  SELECT %(winner)s::text AS customer_id, NULL::uuid AS merge_id, 0 AS hop
  UNION ALL
  SELECT e.winner_id, e.merge_id, way.hop + 1 FROM way
  JOIN {schema}.edges e ON e.active AND e.tenant_id = %(tenant)s AND e.loser_id = way.customer_id)
SELECT customer_id, merge_id::text FROM way ORDER BY hop""",
        {"tenant": merge.tenant_id, "winner": merge.winner_id},
    ).all()
    ids = tuple(customer_id for customer_id, _ in way)
    standing = connection.exec_driver_sql(
        f"""
SELECT m.merge_id::text, m.winner_id, m.facilitator_id, m.merged_at,
  array_agg(e.loser_id ORDER BY e.position, e.loser_id)
FROM {schema}.canonical k
JOIN {schema}.edges e ON e.active AND e.tenant_id = k.tenant_id AND e.loser_id = k.customer_id
JOIN {schema}.merges m ON m.merge_id = e.merge_id
WHERE k.tenant_id = %(tenant)s AND k.canonical_id = %(root)s GROUP BY 1, 2, 3, 4""",
        {"tenant": merge.tenant_id, "root": ids[-1]},
    )
    merges = [
        StandingMerge(
            merge_id=merge_id,
            winner_id=winner_id,
            losers=tuple(losers),
            facilitator_id=facilitator_id,
            merged_at=merged_at,
        )
        for merge_id, winner_id, facilitator_id, merged_at, losers in standing
    ]
    return Scope(
        merge=merge,
        leaving=tuple(leaving),
        way=ids,
        hops=tuple(merge_id for _, merge_id in way[1:]),
        standing=tuple(sorted(merges, key=lambda merge: merge.age)),
    )
