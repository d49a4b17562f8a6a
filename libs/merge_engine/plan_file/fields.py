"""How the fields of the winner are decided."""

from typing import Annotated

from pydantic import Field, model_validator

from customer_identity.merging.survivorship import LITERAL, STRATEGIES
from merge_engine.plan_file.parts import Name, Part, RuleName, Scalar


class FieldPlan(Part):
    """How a field of the winner is decided, and the columns and figures that its strategy needs.

    `restrictive` is the value of a permission that forbids; absent, it is false, or true for a column whose name says
    so (opted_out, do_not_mail). A protected field stays as it is unless somebody with that right decides it.
    """

    strategy: str
    verified_column: Name | None = None
    time: Name | None = None
    source: Name | None = None
    evidence: Name | None = None
    order: tuple[Scalar, ...] = ()
    follow: Name | None = None
    value: Scalar | None = None
    cap: Annotated[int, Field(gt=0)] | None = None
    over_cap: RuleName | None = None
    on_conflict: RuleName | None = None
    restrictive: Scalar | None = None
    protected: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"strategy": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _known(self) -> "FieldPlan":
        allowed = _KEYS.get(self.strategy)
        if allowed is None:
            raise ValueError(f"unknown strategy {self.strategy}; use one of {', '.join(_KEYS)}")
        needed, optional = allowed
        given = {key for key in _ALL_KEYS if getattr(self, key) not in (None, ())}
        missing = [key for key in needed if key not in given]
        foreign = sorted(given - {*needed, *optional})
        if missing:
            raise ValueError(f"{self.strategy} needs {' and '.join(missing)}")
        if foreign:
            raise ValueError(f"{self.strategy} takes no {' and no '.join(foreign)}")
        if self.protected and self.strategy != "WINNER_STRICT":
            raise ValueError("a protected field never moves by itself: its strategy is WINNER_STRICT")
        if self.over_cap is not None and self.cap is None:
            raise ValueError("over_cap needs cap")
        return self


def strategy_keys(strategy: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that a strategy needs, and those it may have; none for one that only an order can choose."""
    return _KEYS.get(strategy, ((), ()))


_ALL_KEYS = (
    "verified_column",
    "time",
    "source",
    "evidence",
    "order",
    "follow",
    "value",
    "cap",
    "over_cap",
    "on_conflict",
    "restrictive",
)
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    **dict.fromkeys(STRATEGIES, ((), ())),
    "VERIFIED_FIRST": (("verified_column",), ()),
    "RECENCY": (("time",), ()),
    "OLDEST": (("time",), ()),
    "SOURCE_PRIORITY": (("source", "order"), ()),
    "HIGHEST_RANK": (("order",), ()),
    "LATEST_EVIDENCE": (("time",), ("evidence",)),
    "FOLLOW_ATTRIBUTE": (("follow",), ()),
    "UNION": ((), ("cap", "over_cap")),
    "CONCAT": ((), ("cap", "over_cap")),
    "BLOCK_ON_CONFLICT": ((), ("on_conflict",)),
    "MOST_RESTRICTIVE": ((), ("restrictive",)),
    LITERAL: (("value",), ()),
}
"""By strategy: the keys that it needs, and those it may have."""
