"""What an actor may do: recommend < merge < protected-data < admin, each role with what the ones below it may."""

from collections.abc import Iterable

ROLES = ("recommend", "merge", "protected-data", "admin")
"""From the least to the greatest."""

MERGE = "merge"
PROTECTED_DATA = "protected-data"


def has_role(roles: Iterable[str], needed: str) -> bool:
    """Whether one of these roles is the needed one or a higher one; names nobody defined count for nothing."""
    enough = ROLES[ROLES.index(needed) :]
    return any(role in enough for role in roles)
