"""Which merges a version of a policy made, as an undo of all of them needs them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMerge:
    """A merge that stands, and who answers for its customers now."""

    tenant_id: str
    merge_id: str
    winner_id: str
    root_id: str
    merged_at: datetime


_OF_POLICY = text(
    """
    SELECT m.tenant_id, m.merge_id::text AS merge_id, m.winner_id, coalesce(k.canonical_id, m.winner_id) AS root_id,
           m.merged_at
      FROM merge.merges m
      LEFT JOIN merge.canonical k ON k.tenant_id = m.tenant_id AND k.customer_id = m.winner_id
     WHERE m.policy_version = :policy_version AND m.merged_at >= :since AND m.state <> 'UNMERGED'
       AND m.erased_at IS NULL
     ORDER BY m.merged_at DESC, m.merge_id DESC
    """
)


def merges_of_policy(connection: Connection, policy_version: str, since: datetime) -> list[PolicyMerge]:
    """Merges of a policy version since a time that can still be undone, the newest first."""
    rows = connection.execute(_OF_POLICY, {"policy_version": policy_version, "since": since}).mappings()
    return [PolicyMerge(**row) for row in rows]


def rounds(merges: Sequence[PolicyMerge]) -> Iterator[list[PolicyMerge]]:
    """The merges in rounds: of every customer one in each, the newest first.

    Merges of one round have nothing to do with each other, so their commands may take effect in any order.
    """
    waiting = list(merges)
    while waiting:
        now: dict[tuple[str, str], PolicyMerge] = {}
        for merge in waiting:
            now.setdefault((merge.tenant_id, merge.root_id), merge)
        yield list(now.values())
        waiting = [merge for merge in waiting if now[merge.tenant_id, merge.root_id] is not merge]
