"""From the engine's results to the events of customer-merged. Ids, counts and names only, never values."""

from collections.abc import Iterable, Sequence

import customer_events as wire
from customer_events import unchecked
from customer_identity import merging
from customer_identity.merging.conversion import Converted
from event_runtime.faults import Fault
from merge_engine import MovingMerge


class OutsideContract(Fault):
    """What no event can tell: readers would refuse it."""


# Made for every merge, of what its command brought or the engine made. The ids and evidence out of an adopter's tables
# are checked.
_CustomerMerged = unchecked(wire.CustomerMerged)
_VersionedId = unchecked(wire.VersionedId)
_MergedLoser = unchecked(wire.MergedLoser)
_MovedRows = unchecked(wire.MovedRows)
_Redirect = unchecked(wire.Redirect)
_DISPOSITIONS = {one: wire.Disposition(one.value) for one in merging.Disposition}


def customer_merged(result: merging.Merged, acks: tuple[wire.RequiredAck, ...]) -> wire.CustomerMerged:
    """Return the event of a merge; its place in the stream is given at append. Raises OutsideContract."""
    order = result.order
    _require_tellable(result.redirects, (result.winner, *result.losers))
    return _CustomerMerged(
        tenant_id=order.tenant_id,
        merge_id=result.merge_id,
        command_id=order.command_id,
        winner=_VersionedId(id=result.winner.id, version=result.winner.version),
        losers=tuple(
            _MergedLoser(id=one.id, version=one.version, disposition=_DISPOSITIONS[one.disposition])
            for one in result.losers
        ),
        redirects=_redirects(result.redirects, _Redirect),
        external_ids=tuple(
            wire.MovedExternalId(system=one.system, id=one.id, from_=one.from_id, to=one.to_id)
            for one in result.external_ids
        ),
        rows=wire.RowsState(result.rows),
        # While rows still move nobody knows how many they will be: RowsMoved tells.
        moved=None if result.rows == wire.RowsState.MOVING else _moved(result.moved, _MovedRows),
        field_decisions=tuple(
            wire.FieldDecision(field=one.field, strategy=one.strategy, from_customer_id=one.from_customer_id)
            for one in result.field_decisions
        ),
        consent_decisions=tuple(
            wire.ConsentDecision(channel=one.channel, result=one.result, evidence=one.evidence)
            for one in result.consent_decisions
        ),
        required_acks=acks,
        undoable_until=result.undoable_until,
        actor=order.requested_by.id,
        reason=order.reason,
        policy_version=result.policy_version,
        candidate_id=order.candidate_id,
        merged_at=result.merged_at,
    )


def customer_unmerged(result: merging.Unmerged, acks: tuple[wire.RequiredAck, ...]) -> wire.CustomerUnmerged:
    """Return the event of an unmerge; its place in the stream is given at append. Raises OutsideContract."""
    order = result.order
    _require_tellable(result.redirects, result.restored)
    return wire.CustomerUnmerged(
        tenant_id=order.tenant_id,
        unmerge_id=result.unmerge_id,
        merge_id=result.merge_id,
        command_id=order.command_id,
        mode=wire.UnmergeMode(order.mode.value),
        from_id=result.from_id,
        restored=tuple(wire.VersionedId(id=one.id, version=one.version) for one in result.restored),
        redirects=_redirects(result.redirects),
        returned=tuple(wire.ReturnedRows(table=one.table, rows=one.rows) for one in result.returned),
        kept=tuple(wire.KeptRows(table=one.table, rows=one.rows, reason=one.reason) for one in result.kept),
        recomputed_fields=result.recomputed_fields,
        conflicts=tuple(
            wire.UnmergeConflict(table=one.table, id=one.id, reason=one.reason) for one in result.conflicts
        ),
        required_acks=acks,
        at=result.at,
    )


def rows_moved(merge: MovingMerge) -> wire.RowsMoved:
    """Return the event that closes a large merge: the totals, with what the merge itself moved."""
    return wire.RowsMoved(tenant_id=merge.tenant_id, merge_id=merge.merge_id, moved=_moved(merge.moved))


def _moved(figures: Sequence[merging.Moved], make: type[wire.MovedRows] = wire.MovedRows) -> tuple[wire.MovedRows, ...]:
    """Tables in which nothing was found are left out: most tables of a plan, for most customers."""
    return tuple(
        make(table=one.table, rows=one.rows, collisions=one.collisions) for one in figures if one.rows or one.collisions
    )


def customer_converted(result: Converted) -> wire.CustomerConverted:
    """Return the event of a conversion; its place in the stream is given at append. Raises OutsideContract."""
    order = result.order
    _require_tellable(result.redirects, (result.customer,))
    return wire.CustomerConverted(
        tenant_id=order.tenant_id,
        customer_id=order.customer_id,
        new_id=result.customer.id,
        to_type=wire.CustomerType(order.to_type.value),
        redirects=_redirects(result.redirects),
    )


def _require_tellable(
    redirects: Sequence[merging.Redirect], records: Iterable[merging.VersionedId | merging.LoserResult]
) -> None:
    """The bounds of the contract that what the engine was given may break."""
    if len(redirects) > wire.MAX_ITEMS:
        raise OutsideContract(f"it has {len(redirects)} redirects, the limit is {wire.MAX_ITEMS}")
    if any(one.version < 0 for one in records):
        raise OutsideContract("a version is below zero")


def _redirects(
    redirects: Sequence[merging.Redirect], make: type[wire.Redirect] = wire.Redirect
) -> tuple[wire.Redirect, ...]:
    return tuple(
        make(from_=one.from_id, direct_to=one.direct_to, canonical=one.canonical, version=one.version)
        for one in redirects
    )
