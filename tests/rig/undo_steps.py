"""Merges, undos, conversions and erasures of a history: carried out, and held against what the model expects."""

from collections.abc import Iterable
from datetime import timedelta

import customer_events as wire
from customer_identity.merging import (
    ActorRef,
    Merged,
    Noop,
    Redirect,
    Refused,
    RowsReturning,
    Unmerged,
    UnmergeMode,
    UnmergeOrder,
    UnmergeResult,
)
from customer_identity.merging.conversion import ConversionOrder, Converted, PartyType
from merge_engine import Erased, ErasureWaits, Lease
from merge_worker.adapters.policy_merges import merges_of_policy, rounds
from merge_worker.adapters.stream_events import customer_converted, customer_merged, customer_unmerged, rows_moved
from rig.customer_rows import ACTOR, TENANT, approved, order
from rig.undo_model import ModelMerge
from rig.undo_plans import CHUNK_ROWS
from rig.undo_world import IDS, UndoWorld

# What the default plan deletes when somebody is erased.
FORGOTTEN = {"emails", "customer_tags", "consents", "tickets"}
_AUTOMATIC = ActorRef(id="policy:test", roles=("merge",))
_LASTS, _NEVER = timedelta(minutes=10), timedelta(hours=1)


class UndoSteps:
    """What is done to the customers of a world."""

    def __init__(self, world: UndoWorld) -> None:
        self.world, self.model, self.connection = world, world.model, world.connection
        self._lease: Lease | None = None

    def merge(self, winner: str, losers: list[str], *, follow: bool, version: int) -> ModelMerge | None:
        """Merge, by a person (version 0 of the plan) or by a policy (version 1); None when nothing was merged."""
        losers = [one for one in losers if one != winner]
        if not losers:
            return None
        model, engine = self.model, self.world.plan.engines[version]
        named = [winner, *losers]
        roots = list(dict.fromkeys(model.root(one) for one in named))
        before = self._versions()
        records = self.world.sql("SELECT customer_id, version FROM store.customers WHERE tenant_id = %(tenant)s")
        asked = order(
            winner,
            *losers,
            command_id=f"merge-{self.world.steps}",
            follow_redirects=follow,
            requested_by=(ACTOR, _AUTOMATIC)[version],
            **(approved(**dict(records)) if follow else {}),
        )
        (result,) = engine.merge(self.connection, [asked])
        if len(roots) == 1:
            assert isinstance(result, Noop)
            return None
        assert isinstance(result, Refused if self._must_refuse(named, roots, follow=follow) else Merged), result
        if not isinstance(result, Merged):
            return None
        self.world.publish(customer_merged(result, ()))
        merge = ModelMerge(
            merge_id=result.merge_id,
            winner=result.winner.id,
            losers=[one.id for one in result.losers],
            version=version,
            at=result.merged_at,
            large=result.rows == "MOVING",
            moving=result.rows == "MOVING",
        )
        assert set(roots) == {merge.winner, *merge.losers}
        model.merges.append(merge)
        self._follow(result.redirects, before)
        return merge

    def unmerge(self, merge: ModelMerge, losers: list[str], mode: UnmergeMode) -> bool:
        """Take a merge apart, or some losers out of it; False when that is refused, for a good reason."""
        model = self.model
        leaving = losers or list(merge.losers)
        before = self._versions()
        moving = self._is_moving(merge.winner)
        result = self._unmerged(merge, losers, mode)
        newer = model.merges[model.merges.index(merge) + 1 :]
        if isinstance(result, Refused):
            (error,) = result.errors
            if moving:
                assert error.rule == "MERGE_IN_PROGRESS", error
            else:
                # rows of a large merge passed this one too, wherever they come from
                assert mode is UnmergeMode.LINEAR or self.world.plan.large, error
                assert error.rule == "UNMERGE_NEWER_FIRST", error
                assert any(one.merge_id in error.remediation for one in newer)
            return False
        assert isinstance(result, Unmerged), result
        assert not moving
        if mode is UnmergeMode.LINEAR:
            assert model.root(merge.winner) == merge.winner
        reasons = {conflict.reason.split(":")[0] for conflict in result.conflicts}
        assert reasons <= {"FIELD_CHANGED_SINCE", "BELOW_ZERO"}, result.conflicts
        assert {kept.reason for kept in result.kept} <= {"MOVED_ELSEWHERE_SINCE", "USED_SINCE"}, result.kept
        self.world.publish(customer_unmerged(result, ()))
        merge.losers = [one for one in merge.losers if one not in leaving]
        if not merge.losers:
            model.merges.remove(merge)
        model.apart |= {frozenset((merge.winner, one)) for one in leaving}
        self._follow(result.redirects, before)
        return True

    def undo_policy(self, version: int, since: ModelMerge, mode: UnmergeMode) -> None:
        """Undo whatever a version of the plan merged since, as `merge-worker unmerge --policy-version` does."""
        engine = self.world.plan.engines[version]
        found = merges_of_policy(self.connection, engine.policy_version, since.at)
        mine = {merge.merge_id: merge for merge in self.model.merges if merge.version == version}
        assert [one.merge_id for one in found] == [
            merge.merge_id for merge in reversed(mine.values()) if merge.at >= since.at
        ]
        for one_round in rounds(found):
            for one in one_round:
                self.unmerge(mine[one.merge_id], [], mode)

    def convert(self, customer_id: str, to_type: PartyType) -> None:
        """Make a customer, or whoever others were merged into, a person or an organisation."""
        model = self.model
        if customer_id in model.erased:
            return
        asked = ConversionOrder(
            tenant_id=TENANT,
            command_id=f"convert-{self.world.steps}",
            customer_id=customer_id,
            to_type=to_type,
            contact_id=None,
            requested_by=ACTOR,
            reason="test",
        )
        result = self.world.engine.convert(self.connection, asked)
        may = model.root(customer_id) == customer_id and not self._is_moving(customer_id)
        assert isinstance(result, Converted) == (may and model.types[customer_id] != to_type.value), result
        if isinstance(result, Converted):
            model.types[customer_id] = to_type.value
            self.world.publish(customer_converted(result))

    def erase(self, customer_id: str, *, confirmed: bool) -> None:
        """Forget somebody, with all that are the same customer."""
        model = self.model
        if customer_id in model.erased:
            return
        members, root = model.members(customer_id), model.root(customer_id)
        automatic = any(merge.version for merge in model.merges if merge.winner in members)
        result = self.world.engine.erase(self.connection, TENANT, customer_id, confirmed=confirmed)
        if self._is_moving(customer_id) or (automatic and not confirmed):
            assert isinstance(result, ErasureWaits)
            return
        assert isinstance(result, Erased)
        assert (result.canonical_id, set(result.member_ids)) == (root, set(members))
        self.world.publish(
            wire.IdentityErased(tenant_id=TENANT, canonical_id=root, member_ids=result.member_ids, at=result.at)
        )
        model.forget(members, FORGOTTEN)

    def move_some(self, steps: int) -> bool:
        """So many transactions of the mover of large merges; False when nothing was left to move."""
        large = self.world.engine.large
        for _ in range(steps):
            self._lease = self._lease or large.claim(self.connection, "test", _LASTS)
            if self._lease is None:
                return False
            step = large.move_chunk(self.connection, self._lease, notice_every=_NEVER)
            if step.chunk:
                continue
            done = large.finish(self.connection, self._lease, chunk_rows=CHUNK_ROWS) if step.merge.listed else None
            if done is None:
                large.list_rows(self.connection, self._lease, chunk_rows=CHUNK_ROWS)
                continue
            self.world.publish(rows_moved(done.merge))
            (merge,) = [one for one in self.model.merges if one.merge_id == done.merge.merge_id]
            merge.moving, self._lease = False, None
        return True

    def reconcile(self) -> None:
        """Sweep what was written under merged-away ids; who still moves is left to the mover."""
        while self.world.engine.reconcile(self.connection, 100):
            pass
        for row in self.model.rows.values():
            row.late = row.late and (row.home in self.model.erased or self._is_moving(row.home))

    def come_to_rest(self) -> None:
        """Move and sweep until nothing is left to do."""
        while self.move_some(1):
            pass
        self.reconcile()

    def _unmerged(self, merge: ModelMerge, losers: list[str], mode: UnmergeMode) -> UnmergeResult:
        """As the worker does it: the rows of a large merge go back in chunks first."""
        engine = self.world.plan.engines[merge.version]
        asked = UnmergeOrder(
            tenant_id=TENANT,
            command_id=f"unmerge-{self.world.steps}-{merge.merge_id}",
            merge_id=merge.merge_id,
            loser_ids=tuple(losers),
            mode=mode,
            requested_by=ActorRef(id="test"),
            reason="test",
        )
        result = engine.begin_unmerge(self.connection, asked)
        if not isinstance(result, RowsReturning):
            return result
        lease = engine.unmerges.claim(self.connection, "test", _LASTS)
        assert lease is not None
        ended: Unmerged | Refused | None = None
        while ended is None:
            if not engine.unmerges.move_chunk(self.connection, lease, notice_every=_NEVER).line:
                ended = engine.unmerges.finish(self.connection, lease)
        return ended

    def _must_refuse(self, named: list[str], roots: list[str], *, follow: bool) -> bool:
        model = self.model
        everybody = [member for root in roots for member in model.members(root)]
        # A record that the plan deleted has no type.
        typed = roots if self.world.plan.deletes else everybody
        return bool(
            (not follow and any(model.root(one) not in named for one in named))
            or (not follow and model.root(named[0]) != named[0])
            or model.kept_apart(roots)
            or model.erased & set(everybody)
            or len({model.types[one] for one in typed}) > 1
        )

    def _is_moving(self, customer_id: str) -> bool:
        members = self.model.members(customer_id)
        return any(merge.moving for merge in self.model.merges if merge.winner in members)

    def _versions(self) -> dict[str, int]:
        return {one: known.version for one, known in self.world.engine.canonical(self.connection, TENANT, IDS).items()}

    def _follow(self, redirects: Iterable[Redirect], before: dict[str, int]) -> None:
        """Versions grow by one with every change, and nobody's answer changes without being told."""
        for redirect in redirects:
            assert redirect.version == before[redirect.from_id] + 1
            assert redirect.canonical == self.model.root(redirect.from_id)
            self.model.versions[redirect.from_id] = redirect.version
