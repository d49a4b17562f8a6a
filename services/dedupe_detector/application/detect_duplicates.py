"""The detector's path of a batch: insert, commit, then match; found pairs leave once, through the outbox."""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, product

from pydantic import SecretStr
from sqlalchemy import Connection

from customer_events import (
    CustomerConverted,
    CustomerCreated,
    CustomerErased,
    CustomerMerged,
    CustomerUnmerged,
    CustomerUpdated,
    IdentityErased,
    MarkNotDuplicate,
    WithdrawalReason,
)
from customer_identity.merging.approvers import POLICY_PREFIX
from customer_identity.normalise import normalise
from dedupe_detector.adapters import decision_tables, identity_tables, pair_tables
from dedupe_detector.adapters.events import record_of
from dedupe_detector.adapters.pair_tables import PairKey, pair_key
from dedupe_detector.adapters.record_tables import Version, lock, store
from dedupe_detector.application.find_candidates import FindCandidates
from event_runtime.drafts import Draft
from event_runtime.records import Received

_MOST_ASSERTED_TOGETHER = 100
"""Customers of one MarkNotDuplicate whose pairs are all remembered; of a longer list only pairs already found are."""


class DetectDuplicates:
    """Handler of customer-created, customer-merged and merge-command."""

    def __init__(
        self,
        find: FindCandidates,
        national_id_key: SecretStr | None = None,
        *,
        notice: Callable[[Connection, Iterable[str]], None] | None = None,
    ) -> None:
        """`find` looks up, scores and tells; with a key, national ids are kept as keyed hashes only.

        `notice` is told of the tenants whose base a batch has changed, before the batch is matched.
        """
        self._find = find
        self._notice = notice
        self._national_id_key = None if national_id_key is None else national_id_key.get_secret_value().encode()

    def prepare(self, connection: Connection, received: Sequence[Received]) -> None:
        """Puts the batch's records into the index. Committed before anybody looks up.

        So of two records that arrive at one moment at two workers, at least one look-up sees the other.
        """
        versions: list[Version] = []
        for message in received:
            event = message.event
            if isinstance(event, (CustomerCreated, CustomerUpdated)):
                record = normalise(record_of(event), national_id_key=self._national_id_key)
                versions.append(
                    Version(
                        tenant_id=event.tenant_id,
                        customer_id=event.customer_id,
                        version=event.version,
                        source=event.source,
                        record=record,
                    )
                )
            else:
                versions += [_erased(*one) for one in _erasures(message)]
        store(connection, versions, self._find.hot)

    def handle(self, connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        """Follows merges, erasures and decisions, then matches the batch's customers."""
        _await_finders(connection, received)
        drafts: list[Draft] = []
        look_up: set[tuple[str, str]] = set()
        for message in received:
            event = message.event
            if isinstance(event, (CustomerCreated, CustomerUpdated)):
                look_up.add((event.tenant_id, event.customer_id))
            elif isinstance(event, (CustomerMerged, CustomerConverted)):
                drafts += self._merged(connection, event)
            elif isinstance(event, CustomerUnmerged):
                drafts += self._unmerged(connection, event, look_up)
            elif isinstance(event, MarkNotDuplicate):
                drafts += self._decided(connection, event, look_up)
            elif erased := _erasures(message):
                drafts += self._erased(connection, erased)
        if look_up and self._notice is not None:
            self._notice(connection, {tenant for tenant, _ in look_up})
        return [*drafts, *self._find.find(connection, sorted(look_up))]

    def _merged(self, connection: Connection, event: CustomerMerged | CustomerConverted) -> list[Draft]:
        redirects = [(event.tenant_id, r.from_, r.canonical, r.version) for r in event.redirects]
        identity_tables.follow(connection, redirects)
        touched = pair_tables.open_pairs_of(connection, [(tenant, one) for tenant, one, _, _ in redirects])
        roots = identity_tables.roots(connection, [(k.tenant_id, one) for k in touched for one in (k.a, k.b)])
        same = [k for k in touched if roots.get((k.tenant_id, k.a), k.a) == roots.get((k.tenant_id, k.b), k.b)]
        closed = pair_tables.close(connection, same, pair_tables.MERGED)
        # What a policy decides is what the scores say: it teaches nothing.
        if isinstance(event, CustomerMerged) and event.candidate_id and not event.actor.startswith(POLICY_PREFIX):
            decision_tables.decide(connection, [change.key for change in closed], same=True)
        return self._find.withdraw(connection, closed, WithdrawalReason.ALREADY_MERGED)

    def _unmerged(self, connection: Connection, event: CustomerUnmerged, look_up: set[tuple[str, str]]) -> list[Draft]:
        """Who was taken apart stays apart: every pair across the cut is asserted not-duplicate.

        Of two that left together nobody has said that they are two people: they are looked up again.
        """
        tenant = event.tenant_id
        identity_tables.follow(connection, [(tenant, r.from_, r.canonical, r.version) for r in event.redirects])
        restored = {one.id for one in event.restored}
        roots = identity_tables.roots(connection, [(tenant, event.from_id)])
        root = roots.get((tenant, event.from_id), event.from_id)
        remaining = identity_tables.members(connection, [(tenant, root)])[tenant, root] - restored
        apart = [pair_key(tenant, one, other) for one, other in product(sorted(restored), sorted(remaining))]
        decision_tables.revise(connection, apart)
        left = pair_tables.merged_among(connection, tenant, sorted(restored))
        roots = identity_tables.roots(connection, [(tenant, one) for one in restored])
        again = [k for k in left if roots.get((tenant, k.a), k.a) != roots.get((tenant, k.b), k.b)]
        pair_tables.retract(connection, again)
        look_up.update((tenant, one) for key in again for one in (key.a, key.b))
        return self._find.withdraw(
            connection, pair_tables.assert_not_duplicate(connection, apart), WithdrawalReason.NOT_DUPLICATE
        )

    def _decided(self, connection: Connection, event: MarkNotDuplicate, look_up: set[tuple[str, str]]) -> list[Draft]:
        ids = sorted(set(event.customer_ids))
        if len(ids) <= _MOST_ASSERTED_TOGETHER:
            keys = [pair_key(event.tenant_id, a, b) for a, b in combinations(ids, 2)]
        else:
            among = set(ids)
            found = pair_tables.open_pairs_of(connection, [(event.tenant_id, one) for one in ids])
            keys = [key for key in found if key.a in among and key.b in among]
        if event.withdrawn:
            pair_tables.retract(connection, keys)
            decision_tables.take_back(connection, keys)
            look_up.update((event.tenant_id, one) for one in ids)
            return []
        closed = pair_tables.assert_not_duplicate(connection, keys)
        if not event.requested_by.id.startswith(POLICY_PREFIX):
            decision_tables.decide(connection, [change.key for change in closed], same=False)
        return self._find.withdraw(connection, closed, WithdrawalReason.NOT_DUPLICATE)

    def _erased(self, connection: Connection, customers: list[tuple[str, str, int]]) -> list[Draft]:
        touched: list[PairKey] = pair_tables.open_pairs_of(connection, [(tenant, one) for tenant, one, _ in customers])
        closed = pair_tables.close(connection, touched, pair_tables.WITHDRAWN, forget=True)
        decision_tables.forget(connection, [(tenant, one) for tenant, one, _ in customers])
        return self._find.withdraw(connection, closed, WithdrawalReason.ERASED)


def _await_finders(connection: Connection, received: Sequence[Received]) -> None:
    """Who compares customers that become one now, or are told of as one, is waited for; who comes later waits.

    So a pair is not told of as two after it became one: the finder either sees the merge, or is seen by it.
    """
    events = [message.event for message in received]
    redirected = {
        (event.tenant_id, redirect.from_)
        for event in events
        if isinstance(event, (CustomerMerged, CustomerConverted, CustomerUnmerged))
        for redirect in event.redirects
    }
    lock(connection, redirected)


def _erasures(message: Received) -> list[tuple[str, str, int]]:
    """(tenant, customer, version)s that a message erases."""
    event = message.event
    if isinstance(event, CustomerErased):
        return [(event.tenant_id, event.customer_id, event.version)]
    if isinstance(event, IdentityErased):
        return [(event.tenant_id, one, 0) for one in event.member_ids]
    return []


def _erased(tenant_id: str, customer_id: str, version: int) -> Version:
    return Version(tenant_id=tenant_id, customer_id=customer_id, version=version, source="", record=None)
