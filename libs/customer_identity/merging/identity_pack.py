"""The rules that hold for every merge in every database; a plan adds to them and cannot switch them off."""

from collections.abc import Iterator

from customer_identity.merging.results import Side
from customer_identity.merging.rules import Fault, Parties, Rule

CUSTOMER_NOT_FOUND = "CUSTOMER_NOT_FOUND"


def _not_found(parties: Parties) -> Iterator[Fault]:
    if parties.winner is not None and parties.winner.root.version is None:
        yield Fault(side=Side.WINNER, customer_ids=(parties.winner.root_id,))
    missing = tuple(identity.root_id for identity in parties.losers if identity.root.version is None)
    if missing:
        yield Fault(side=Side.LOSER, customer_ids=missing)


def _tenant_mismatch(parties: Parties) -> Iterator[Fault]:
    foreign = tuple(
        member.customer_id
        for identity in parties.identities
        for member in identity.records
        if member.tenant_id != parties.order.tenant_id
    )
    if foreign:
        yield Fault(side=Side.PAIR, customer_ids=foreign)


def _stale_version(parties: Parties) -> Iterator[Fault]:
    expected = parties.order.expected_versions
    if not expected:
        return
    winners = () if parties.winner is None else (parties.winner,)
    for side, identities in ((Side.WINNER, winners), (Side.LOSER, parties.losers)):
        stale = tuple(
            member.customer_id
            for identity in identities
            for member in identity.records
            if expected.get(member.customer_id, member.version) != member.version
        )
        if stale:
            yield Fault(side=side, customer_ids=stale)


def _not_duplicate(parties: Parties) -> Iterator[Fault]:
    if not parties.asserted:
        return
    identity_of = {
        member.customer_id: position
        for position, identity in enumerate(parties.identities)
        for member in identity.members
    }
    for tenant_id, a, b in sorted(parties.asserted):
        one, other = identity_of.get(a), identity_of.get(b)
        if tenant_id == parties.order.tenant_id and None not in (one, other) and one != other:
            yield Fault(side=Side.PAIR, customer_ids=(a, b))


MAX_MEMBERS = 10_000
"""An event takes no list that is longer, and whoever became more records than this is no person but a placeholder."""
MAX_TOLD_BYTES = 900_000
"""What the ids may take of an event, which has at most a megabyte."""

_SURELY_FIT = 300
# Numbers and lengths beside the ids, of a redirect or a loser.
_BESIDE_BYTES = 16


def _too_large(parties: Parties) -> Iterator[Fault]:
    members = sum(len(identity.members) for identity in parties.identities)
    if members > _SURELY_FIT and (members > MAX_MEMBERS or _told_bytes(parties) > MAX_TOLD_BYTES):
        yield Fault(side=Side.PAIR, customer_ids=tuple(identity.root_id for identity in parties.identities))


def _told_bytes(parties: Parties) -> int:
    """At most so many bytes: every member with its way to the root, as the losers' are told."""
    roots = [len(identity.root_id.encode()) for identity in parties.identities]
    longest = max(roots)
    return sum(
        len(member.customer_id.encode()) + len(member.direct_to.encode()) + longest + _BESIDE_BYTES
        for identity in parties.identities
        for member in identity.members
    ) + sum(root + _BESIDE_BYTES for root in roots)


def _negative_version(parties: Parties) -> Iterator[Fault]:
    winners = () if parties.winner is None else (parties.winner,)
    for side, identities in ((Side.WINNER, winners), (Side.LOSER, parties.losers)):
        ids = tuple(one.root_id for one in identities if one.root.version is not None and one.root.version < 0)
        if ids:
            yield Fault(side=side, customer_ids=ids)


IDENTITY_PACK = (
    Rule(
        name=CUSTOMER_NOT_FOUND,
        side=Side.EITHER,
        check=_not_found,
        message="there is no such customer",
        remediation="send the order again once the customer exists",
        permanent=False,
    ),
    Rule(
        name="TENANT_MISMATCH",
        side=Side.PAIR,
        check=_tenant_mismatch,
        message="the customer does not belong to the order's tenant",
        remediation="customers of different tenants cannot be merged",
    ),
    Rule(
        name="STALE_VERSION",
        side=Side.EITHER,
        check=_stale_version,
        message="the record changed after it was reviewed",
        remediation="review the customer as it is now and send a new order with its current version",
    ),
    Rule(
        name="NOT_DUPLICATE_ASSERTED",
        side=Side.PAIR,
        check=_not_duplicate,
        message="somebody asserted that these are different people",
        remediation="withdraw the assertion first if it was wrong",
    ),
    Rule(
        name="IDENTITY_TOO_LARGE",
        side=Side.PAIR,
        check=_too_large,
        message=f"more than {MAX_MEMBERS} records would be one customer, or their ids too long to be told in one event",
        remediation="leave the record alone that so many were merged into, or undo merges of it: it is no person",
        conversion=True,
    ),
    Rule(
        name="VERSION_NEGATIVE",
        side=Side.EITHER,
        check=_negative_version,
        message="the record's version is below zero",
        remediation="set the version to zero or more",
    ),
)
"""The pack's rules that need no plan; SAME_RECORD and *_PREVIOUSLY_MERGED are checked before (redirect_checks)."""
