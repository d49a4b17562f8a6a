"""The pure part of a merge plan: what decides, without a word about tables."""

from dataclasses import dataclass
from datetime import timedelta

from customer_identity.merging.rules import RuleBook
from customer_identity.merging.survivorship import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """The rule that fails when a field cannot be decided without somebody's choice."""

    name: str
    message: str
    remediation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPolicy:
    """How one field of the winner is decided. `fact` and the other facts are positions in a member's facts.

    `follow` names the field whose record this one is taken from too; `literal` is the value of the strategy LITERAL.
    """

    field: str
    strategy: str
    fact: int
    verified_fact: int | None = None
    time_fact: int | None = None
    source_fact: int | None = None
    evidence_fact: int | None = None
    terms: Terms = Terms()  # noqa: RUF009 - frozen
    follow: str | None = None
    literal: bool | int | str | None = None
    on_conflict: FieldRule | None = None
    over_cap: FieldRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One step of choosing a winner: the member with the greatest (or smallest) fact; missing facts come last."""

    fact: int
    highest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePolicy:
    """Everything that decides a merge. `version` is carried by every event that the policy leads to.

    `choosable` are the tables whose rows an order may choose among; `facilitated` says whether there are rows that
    a facilitator takes over.
    """

    version: str
    fields: tuple[FieldPolicy, ...]
    rules: RuleBook
    winner_preferences: tuple[Preference, ...]
    undo_window: timedelta
    choosable: frozenset[str] = frozenset()
    facilitated: bool = False
