"""An identity as the planner sees it: a root and every customer that was merged into it."""

from dataclasses import field
from typing import Any

from frozen_values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One customer of an identity, with the facts that the policy asked for, by position.

    `version` None means that the map knows the id but there is no such record. `direct_to` is the customer it was
    merged into itself (its own id for a root); `alias_version` counts how often its canonical id changed.
    `is_asserted`: there is a pair, of which it has the smaller id, that somebody said are two people.
    """

    customer_id: str
    tenant_id: str | None
    version: int | None
    direct_to: str
    alias_version: int
    facts: tuple[Any, ...]
    is_asserted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A root, and after it its members in the order of their ids; `records` are the members that have a record."""

    members: tuple[Member, ...]
    records: tuple[Member, ...] = field(init=False)

    def __post_init__(self) -> None:
        # Every rule asks for them.
        present = tuple([member for member in self.members if member.version is not None])
        object.__setattr__(self, "records", present)

    @property
    def root(self) -> Member:
        """The record that answers for all members."""
        return self.members[0]

    @property
    def root_id(self) -> str:
        """The canonical id of all members."""
        return self.members[0].customer_id
