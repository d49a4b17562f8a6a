"""The history that the conformance kit plays, as events of one stream."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from customer_events import (
    CustomerMerged,
    CustomerUnmerged,
    Disposition,
    IdentityErased,
    MergedLoser,
    Redirect,
    RowsState,
    UnmergeMode,
    VersionedId,
)

TENANT: Final = "conformance"
CANONICAL_AT_THE_END: Final = {"c1": "c2", "c4": "c3", "c5": "c3"}
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def history() -> list[CustomerMerged | CustomerUnmerged]:
    """c1 into c2; c2 into c3; c5 into c4; c2 out of c3 again, c1 with it; c4 into c3."""
    return [
        merge(1, {"c1": ("c2", 1)}),
        merge(2, {"c1": ("c3", 2), "c2": ("c3", 1)}),
        merge(3, {"c5": ("c4", 1)}),
        unmerge(4, {"c1": ("c2", 3), "c2": ("c2", 2)}, from_id="c3"),
        merge(5, {"c4": ("c3", 1), "c5": ("c3", 2)}),
    ]


def erasure(sequence: int, *, canonical_id: str, member_ids: tuple[str, ...]) -> IdentityErased:
    """The end of an identity."""
    return IdentityErased(
        stream=0, sequence=sequence, tenant_id=TENANT, canonical_id=canonical_id, member_ids=member_ids, at=_AT
    )


Answers = Mapping[str, tuple[str, int]]


def _redirects(answers: Answers) -> tuple[Redirect, ...]:
    return tuple(
        Redirect(from_=customer_id, direct_to=canonical, canonical=canonical, version=version)
        for customer_id, (canonical, version) in answers.items()
    )


def merge(sequence: int, answers: Answers) -> CustomerMerged:
    """A merge after which these ids answer so: (canonical id, version)."""
    (winner,) = {canonical for canonical, _ in answers.values()}
    return CustomerMerged(
        stream=0,
        sequence=sequence,
        tenant_id=TENANT,
        merge_id=f"merge-{sequence}",
        command_id=f"command-{sequence}",
        winner=VersionedId(id=winner, version=1),
        losers=tuple(MergedLoser(id=loser, version=1, disposition=Disposition.LINK) for loser in answers),
        redirects=_redirects(answers),
        rows=RowsState.COMPLETE,
        actor="conformance",
        reason="conformance",
        policy_version="1",
        merged_at=_AT,
    )


def unmerge(sequence: int, answers: Answers, *, from_id: str) -> CustomerUnmerged:
    """The undoing of a merge, after which these ids answer so."""
    return CustomerUnmerged(
        stream=0,
        sequence=sequence,
        tenant_id=TENANT,
        unmerge_id=f"unmerge-{sequence}",
        merge_id="merge-2",
        command_id=f"command-{sequence}",
        mode=UnmergeMode.TREE,
        from_id=from_id,
        restored=tuple(VersionedId(id=customer_id, version=2) for customer_id in answers),
        redirects=_redirects(answers),
        at=_AT,
    )
