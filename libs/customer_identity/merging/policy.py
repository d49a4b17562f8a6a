"""The pure part of a merge plan: what decides, without a word about tables."""

from dataclasses import dataclass
from datetime import timedelta

from customer_identity.merging.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPolicy:
    """How one field of the winner is decided. `fact` and `verified_fact` are positions in a member's facts."""

    field: str
    strategy: str
    fact: int
    verified_fact: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One step of choosing a winner: the member with the greatest (or smallest) fact; missing facts come last."""

    fact: int
    highest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePolicy:
    """Everything that decides a merge. `version` is carried by every event that the policy leads to."""

    version: str
    fields: tuple[FieldPolicy, ...]
    rules: tuple[Rule, ...]
    winner_preferences: tuple[Preference, ...]
    undo_window: timedelta
