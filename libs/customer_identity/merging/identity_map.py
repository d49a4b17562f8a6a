"""The identity map: which id answers for which, always in one step, and how its versions grow."""

from collections.abc import Iterable, Mapping

from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.results import Redirect


def redirects_of_merge(winner_id: str, losers: Iterable[Identity]) -> tuple[Redirect, ...]:
    """Every id whose answer changes when the losers' identities join the winner: chains stay one step long."""
    return tuple(
        Redirect(
            from_id=member.customer_id,
            direct_to=winner_id if member is loser.root else member.direct_to,
            canonical=winner_id,
            version=member.alias_version + 1,
        )
        for loser in losers
        for member in loser.members
    )


def redirects_of_unmerge(loser_id: str, subtree: Iterable[Member]) -> tuple[Redirect, ...]:
    """Every id whose answer changes when a loser stands alone again with all that had been merged into it before."""
    return tuple(
        Redirect(
            from_id=member.customer_id,
            direct_to=loser_id if member.customer_id == loser_id else member.direct_to,
            canonical=loser_id,
            version=member.alias_version + 1,
        )
        for member in subtree
    )


def subtree_of(loser_id: str, winner_by_loser: Mapping[str, str]) -> tuple[str, ...]:
    """The ids that reach `loser_id` along the edges, itself first."""
    losers_by_winner: dict[str, list[str]] = {}
    for loser, winner in sorted(winner_by_loser.items()):
        losers_by_winner.setdefault(winner, []).append(loser)
    found = [loser_id]
    for customer_id in found:
        found.extend(losers_by_winner.get(customer_id, ()))
    return tuple(found)


def roots_of(winner_by_loser: Mapping[str, str]) -> tuple[dict[str, str], frozenset[str]]:
    """Follow the edges from every loser to its root; the second answer holds the ids that only reach a circle."""
    roots: dict[str, str] = {}
    circular: set[str] = set()
    for start in winner_by_loser:
        path: dict[str, None] = {}
        at = start
        while at in winner_by_loser and at not in path and at not in roots and at not in circular:
            path[at] = None
            at = winner_by_loser[at]
        if at in path or at in circular:
            circular.update(path)
        else:
            root = roots.get(at, at)
            roots.update(dict.fromkeys(path, root))
    return roots, frozenset(circular)
