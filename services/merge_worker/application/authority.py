"""Who may ask for what: roles recommend < merge < protected-data < admin.

The roles are claims in the command's body: the bus gives no producer identity. Under authority
`topic` whoever may write the command topic is trusted to state them, and that topic's access list
is the guard. Under `approval` and `signature` they count only with proof (see `admission`).
"""

from collections.abc import Iterable
from enum import IntEnum

from customer_events import RuleError, Side


class Role(IntEnum):
    """What an actor may do; each role includes the ones below it."""

    NONE = 0
    RECOMMEND = 1
    MERGE = 2
    PROTECTED_DATA = 3
    ADMIN = 4


ROLE_NAMES = {
    "recommend": Role.RECOMMEND,
    "merge": Role.MERGE,
    "protected-data": Role.PROTECTED_DATA,
    "admin": Role.ADMIN,
}


def highest_role(roles: Iterable[str]) -> Role:
    """Return the highest role named; names nobody defined count for nothing."""
    return max((ROLE_NAMES.get(name, Role.NONE) for name in roles), default=Role.NONE)


def person_required() -> RuleError:
    """Return the failure of a policy that does what only a person may."""
    return _of_actor(
        "PERSON_REQUIRED",
        "a policy withdraws what keeps two customers apart",
        "Ask a person with the role merge to withdraw it.",
    )


def proof_missing() -> RuleError:
    """Return the failure of a command that nobody vouches for."""
    return _of_actor(
        "PROOF_MISSING",
        "nothing proves who asks: the command has neither an approval nor a signature, whichever is needed",
        "Have it approved at the review desk, or send it signed, under a new id.",
    )


def signature_invalid(reason: str) -> RuleError:
    """Return the failure of a command whose signature does not vouch for it."""
    return _of_actor(
        "SIGNATURE_INVALID",
        f"the signature proves nothing: {reason}",
        "Sign the command with a key that the worker knows, and send it under a new id.",
    )


def signature_expired() -> RuleError:
    """Return the failure of a command that reached the worker too late."""
    return _of_actor(
        "SIGNATURE_EXPIRED",
        "the signature has expired: the command took too long to get here, or is handled again",
        "Sign the command again and send it under a new id.",
        permanent=False,
    )


def not_allowed(needed: Role) -> RuleError:
    """Return the failure of an actor who lacks a role."""
    role = needed.name.lower().replace("_", "-")
    return _of_actor(
        "MERGE_PERMISSION_MISSING",
        f"the actor does not have the role {role}",
        f"Ask somebody with the role {role} to do it.",
    )


def _of_actor(rule: str, message: str, remediation: str, *, permanent: bool = True) -> RuleError:
    return RuleError(rule=rule, side=Side.ACTOR, message=message, remediation=remediation, permanent=permanent)
