"""Fields of the winner after a loser has gone: decided again, but only where they still hold what the merge wrote.

What a merge wrote may have been handed on by the merges that came after it. So the customers from the merge's winner up
to the root are gone through, as long as something changes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from customer_identity.merging import FieldChoice
from customer_identity.merging.deciding_again import PastMerge, Redecided, decide_again
from customer_identity.merging.identity import Member
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.restoring_rows import Restoration
from merge_engine.unmerging_scope import Scope, StandingMerge

_NOTHING = "{}"


def restore_fields(
    connection: Connection, compiled: CompiledPlan, scope: Scope, gone: Sequence[str], done: Restoration
) -> None:
    """Decide again what the merge wrote, and what others decided from that. `gone` are all ids that leave.

    The root's version rises even when no field changes: rows went away from it.
    """
    past = _Past.load(connection, compiled, scope)
    for place, customer_id in enumerate(scope.way):
        merges = [merge for merge in scope.standing if merge.winner_id == customer_id and merge.age >= scope.own.age]
        live = past.live(customer_id)
        is_root = customer_id == scope.root_id
        handed_on = live if is_root else past.losers.get((scope.carriers[place].merge_id, customer_id))
        if handed_on is None:
            break
        customer = past.members([(customer_id, handed_on)])[0]
        values, redecided = decide_again(customer, [past.merge(merge) for merge in merges], gone, compiled.policy)
        for one in redecided:
            past.rewrite(one, customer_id, done)
        held = _fields(compiled, customer)
        changed = {name: value for name, value in values.items() if value != held[name]}
        if not is_root:
            past.hand_on(scope.carriers[place].merge_id, customer_id, changed)
        if live is not None:
            now = _fields(compiled, past.members([(customer_id, live)])[0])
            # The record of a customer merged away since may have been changed by hand.
            past.patch(customer_id, {name: value for name, value in changed.items() if now[name] == held[name]}, done)
        if not changed:
            break
    past.touch(scope.root_id)
    done.recomputed_fields.sort(key=list(compiled.plan.fields).index)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What a merge did to its winner, as JSON text, and the choices of its order."""

    before: str = _NOTHING
    wrote: str = _NOTHING
    choices: tuple[FieldChoice, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Past:
    """The records that the journal keeps of the merges on the way, and what is written over them.

    Images of records stay text between two statements: Python's numbers are not those of the database.
    """

    connection: Connection
    compiled: CompiledPlan
    scope: Scope
    losers: dict[tuple[str, str], str] = field(default_factory=dict)
    winners: dict[str, _Written] = field(default_factory=dict)
    patched: str | None = None

    @classmethod
    def load(cls, connection: Connection, compiled: CompiledPlan, scope: Scope) -> "_Past":
        """Read the journal."""
        past = cls(connection=connection, compiled=compiled, scope=scope)
        rows = connection.exec_driver_sql(
            f"""
SELECT merge_id::text, action, from_id, before::text, before->>'before', before->>'wrote', before->>'choices'
FROM {compiled.names.schema}.journal
WHERE merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND action IN ('WINNER', 'LOSER') AND before IS NOT NULL""",
            {"merge_ids": [merge.merge_id for merge in scope.standing]},
        )
        for merge_id, action, from_id, image, before, wrote, choices in rows:
            if action == "LOSER":
                past.losers[merge_id, from_id] = image
            else:
                made = tuple(FieldChoice(**choice) for choice in json.loads(choices or "[]"))
                past.winners[merge_id] = _Written(before=before, wrote=wrote, choices=made)
        return past

    def merge(self, merge: StandingMerge) -> PastMerge:
        """A merge with the losers that it is left with."""
        losers = self.scope.staying if merge is self.scope.own else merge.losers
        written = self.winners.get(merge.merge_id, _Written())
        images = [(loser_id, self.losers.get((merge.merge_id, loser_id), _NOTHING)) for loser_id in losers]
        before, wrote, *members = self.members([("", written.before), ("", written.wrote), *images])
        names = json.loads(written.wrote).keys()
        return PastMerge(
            merge_id=merge.merge_id,
            losers=tuple(members),
            before={name: value for name, value in _fields(self.compiled, before).items() if name in names},
            wrote={name: value for name, value in _fields(self.compiled, wrote).items() if name in names},
            choices=written.choices,
        )

    def members(self, images: Sequence[tuple[str, str]]) -> list[Member]:
        """Records from their images, with facts typed as the database has them."""
        facts = self.connection.exec_driver_sql(
            self.compiled.undo.image_facts, {"images": [image for _, image in images]}
        )
        return [
            Member(
                customer_id=customer_id,
                tenant_id=self.scope.tenant_id,
                version=1,
                direct_to=customer_id,
                alias_version=0,
                facts=tuple(row),
            )
            for (customer_id, _), row in zip(images, facts, strict=True)
        ]

    def live(self, customer_id: str) -> str | None:
        """The record as it is; None when it was deleted."""
        owner = {"tenant": self.scope.tenant_id, "id": customer_id}
        image: str | None = self.connection.exec_driver_sql(self.compiled.undo.record_image, owner).scalar_one_or_none()
        return image

    def rewrite(self, one: Redecided, customer_id: str, done: Restoration) -> None:
        """Keep what a merge changes now, and tell of what it could not change."""
        for name in one.stuck:
            done.conflict(self.compiled.plan.customer.table, customer_id, f"FIELD_CHANGED_SINCE: {name}")
        if one.merge_id != self.scope.merge.merge_id or self.scope.staying:
            self._write(one.merge_id, "WINNER", customer_id, {"before": one.before, "wrote": one.wrote})

    def hand_on(self, merge_id: str, customer_id: str, changed: Mapping[str, Any]) -> None:
        """The record that was merged on was another one."""
        if changed:
            self.losers[merge_id, customer_id] = self._write(merge_id, "LOSER", customer_id, changed)

    def patch(self, customer_id: str, changed: Mapping[str, Any], done: Restoration) -> None:
        """Write fields into a record."""
        if not changed:
            return
        taken: list[str] = []
        if not self._written(customer_id, changed):
            taken = [name for name, value in changed.items() if not self._written(customer_id, {name: value})]
        for name in taken:
            done.conflict(self.compiled.plan.customer.table, customer_id, f"TAKEN_SINCE: {name}")
        known = (*taken, *done.recomputed_fields)
        done.recomputed_fields.extend(name for name in changed if name not in known)

    def touch(self, root_id: str) -> None:
        """Raise the version of a record that was not written."""
        if self.patched != root_id:
            self._written(root_id, {})

    def _written(self, customer_id: str, fields: Mapping[str, Any]) -> bool:
        """Whether the fields could be written: a value that only one record may hold may be another's by now."""
        try:
            with self.connection.begin_nested():
                self.connection.exec_driver_sql(
                    self.compiled.undo.patch_record,
                    {"tenant": self.scope.tenant_id, "id": customer_id, "patch": _as_text(fields)},
                )
        except IntegrityError:
            return False
        self.patched = customer_id
        return True

    def _write(self, merge_id: str, action: str, from_id: str, changes: Mapping[str, Any]) -> str:
        image: str = self.connection.exec_driver_sql(
            f"UPDATE {self.compiled.names.schema}.journal SET before = before || %(changes)s::text::jsonb "
            "WHERE merge_id = %(merge_id)s::uuid AND action = %(action)s AND from_id = %(from_id)s "
            "RETURNING before::text",
            {"merge_id": merge_id, "action": action, "from_id": from_id, "changes": _as_text(changes)},
        ).scalar_one()
        return image


def _fields(compiled: CompiledPlan, member: Member) -> dict[str, Any]:
    return {policy.field: member.facts[policy.fact] for policy in compiled.policy.fields}


def _as_text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, default=_as_json)


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
