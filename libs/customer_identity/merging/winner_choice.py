"""Who survives when the order does not say."""

from collections.abc import Sequence
from typing import Any

from customer_identity.merging.identity import Identity
from customer_identity.merging.policy import Preference


def choose_winner(identities: Sequence[Identity], preferences: Sequence[Preference]) -> Identity:
    """The identity whose root is preferred by the first preference that tells them apart; at last the smallest id."""
    remaining = list(identities)
    for preference in preferences:
        present = [identity for identity in remaining if identity.root.facts[preference.fact] is not None]
        if present:
            pick = max if preference.highest else min
            best = pick(_fact(identity, preference) for identity in present)
            remaining = [identity for identity in present if _fact(identity, preference) == best]
    return min(remaining, key=lambda identity: identity.root_id)


def _fact(identity: Identity, preference: Preference) -> Any:
    return identity.root.facts[preference.fact]
