"""What stops a merge, and who survives when nobody says."""

import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator, model_validator

from customer_identity.merging import Side
from merge_engine.plan_file.packs import PackRule, RoleName, RuleTerms, pack_rule
from merge_engine.plan_file.parts import ColumnOf, Condition, Exists, Flag, Name, Part, Table

_SIDED = (Side.WINNER, Side.LOSER, Side.EITHER)
_EVERY = (*_SIDED, Side.PAIR, Side.SYSTEM, Side.ACTOR)


class FixedBy(Part):
    """What of an order answers the rule: a choice for a field, a facilitator, a choice of the rows of a table."""

    field: Name | None = None
    facilitator: Literal[True] | None = None
    rows: Table | None = None

    @model_validator(mode="after")
    def _something(self) -> "FixedBy":
        if self.field is None and self.facilitator is None and self.rows is None:
            raise ValueError("give field, or facilitator and rows, or rows")
        return self


class _Rule(RuleTerms):
    """A rule that is named in a pack takes from there what stands not here; side and permanence only from there."""

    sides: ClassVar[tuple[Side, ...]] = _EVERY
    """The sides that this form can look at; the only one need not be written."""

    fixed_by: FixedBy | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_pack(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        only = {"side": cls.sides[0]} if len(cls.sides) == 1 else {}
        packed = pack_rule(value.get("rule"))
        if packed is None:
            return {**only, **value}
        return {**only, **_defaults(packed, value), **value}

    @model_validator(mode="after")
    def _consistent(self) -> "_Rule":
        packed = pack_rule(self.rule)
        if packed is not None and packed.provided is not None:
            raise ValueError(f"{self.rule} is checked by {packed.provided} itself; take it out")
        if packed is not None and (self.side, self.permanent) != (packed.side, packed.permanent):
            lasting = "permanent" if packed.permanent else "temporary"
            raise ValueError(f"{self.rule} is {lasting} and looks at {packed.side.value}; a plan cannot change that")
        if packed is not None and packed.conversion and not self.conversion:
            raise ValueError(f"{self.rule} stands against a conversion, too; a plan cannot change that")
        if self.side not in self.sides:
            fitting = ", ".join(side.value for side in self.sides)
            raise ValueError(f"this form looks at {fitting}; {self.rule} looks at {self.side.value}: use another form")
        self.require_waiver()
        return self


class ExistsRule(_Rule):
    """Fails when a customer on that side has such rows."""

    sides: ClassVar[tuple[Side, ...]] = _SIDED

    exists: Exists


class FlagRule(_Rule):
    """Fails when a customer on that side is flagged."""

    sides: ClassVar[tuple[Side, ...]] = _SIDED

    flag: Flag


class SystemFlag(Part):
    """A row of a table that belongs to no customer; `per: tenant` takes the rows of the customers' tenant only."""

    table: Table
    where: Annotated[dict[Name, Condition], Field(min_length=1)]
    per: Literal["tenant"] | None = None
    tenant: Name | None = None

    @model_validator(mode="after")
    def _tenant(self) -> "SystemFlag":
        if self.tenant is not None and self.per is None:
            raise ValueError("tenant needs per: tenant")
        return self


class SystemFlagRule(_Rule):
    """Fails while the system, or the tenant, is in that state."""

    sides: ClassVar[tuple[Side, ...]] = (Side.SYSTEM,)

    flag: SystemFlag


class Calendar(Part):
    """The last and the first days of every month, in that time zone."""

    last_days: Annotated[int, Field(ge=0, le=14)] = 0
    first_days: Annotated[int, Field(ge=0, le=14)] = 0
    time_zone: str

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {value!r}; write it as Europe/London") from None
        return value

    @model_validator(mode="after")
    def _some_days(self) -> "Calendar":
        if self.last_days + self.first_days == 0:
            raise ValueError("give last_days or first_days")
        return self


class CalendarRule(_Rule):
    """Fails on those days; an order that waits is tried again when they are over."""

    sides: ClassVar[tuple[Side, ...]] = (Side.SYSTEM,)

    calendar: Calendar


class Mismatch(ColumnOf):
    """Values to compare; with `by`, only values of rows that agree in that column."""

    by: Name | None = None

    @model_validator(mode="after")
    def _of_a_table(self) -> "Mismatch":
        if self.table is None and (self.by is not None or self.where):
            raise ValueError("by and where need table")
        return self


class MismatchRule(_Rule):
    """Fails when two customers both have a value and the values differ."""

    sides: ClassVar[tuple[Side, ...]] = (Side.PAIR,)

    mismatch: Mismatch


class DiffersRule(_Rule):
    """Fails when the values of two customers differ; none on one side counts as different."""

    sides: ClassVar[tuple[Side, ...]] = (Side.PAIR,)

    differs: ColumnOf


class BothPresent(Part):
    """Rows of a table, or a column that holds something, or a time within the last days."""

    table: Table | None = None
    where: dict[Name, Condition] = Field(default={})
    customer: Name | None = None
    tenant: Name | None = None
    column: Name | None = None
    within_days: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "BothPresent":
        if (self.table is None) == (self.column is None):
            raise ValueError("give either table (and where), or column (and within_days)")
        if self.table is not None and self.within_days is not None:
            raise ValueError("within_days needs column; for a table write it as a condition under where")
        if self.table is None and (self.where or self.customer or self.tenant):
            raise ValueError("where, customer and tenant need table")
        return self


class BothPresentRule(_Rule):
    """Fails when two of the customers have it, even if it is equal."""

    sides: ClassVar[tuple[Side, ...]] = (Side.PAIR,)

    both_present: BothPresent


class When(Part):
    """On which customers a role is asked for."""

    exists: Exists | None = None
    flag: Flag | None = None

    @model_validator(mode="after")
    def _one(self) -> "When":
        if (self.exists is None) == (self.flag is None):
            raise ValueError("give exactly one of exists, flag")
        return self


class ActorRule(_Rule):
    """Fails when the actor has not that role, or a higher one."""

    sides: ClassVar[tuple[Side, ...]] = (Side.ACTOR,)

    needs_role: RoleName
    when: When | None = None


class PythonRule(_Rule):
    """Fails when a function finds something; see docs/rules.md for what it is given."""

    python: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    facts: tuple[Name | ColumnOf, ...] = ()


_FORMS: dict[str, type[BaseModel]] = {
    "exists": ExistsRule,
    "flag": FlagRule,
    "system_flag": SystemFlagRule,
    "calendar": CalendarRule,
    "mismatch": MismatchRule,
    "differs": DiffersRule,
    "both_present": BothPresentRule,
    "needs_role": ActorRule,
    "python": PythonRule,
}


def _form(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return next((form for form, model in _FORMS.items() if isinstance(value, model)), None)
    if not isinstance(value, Mapping):
        return None
    forms = [form for form in _FORMS if form in value]
    if len(forms) != 1:
        return None
    flag = value.get("flag")
    return "system_flag" if forms == ["flag"] and isinstance(flag, Mapping) and "table" in flag else forms[0]


RulePlan = Annotated[
    Annotated[ExistsRule, Tag("exists")]
    | Annotated[FlagRule, Tag("flag")]
    | Annotated[SystemFlagRule, Tag("system_flag")]
    | Annotated[CalendarRule, Tag("calendar")]
    | Annotated[MismatchRule, Tag("mismatch")]
    | Annotated[DiffersRule, Tag("differs")]
    | Annotated[BothPresentRule, Tag("both_present")]
    | Annotated[ActorRule, Tag("needs_role")]
    | Annotated[PythonRule, Tag("python")],
    Discriminator(
        _form,
        custom_error_type="rule_form",
        custom_error_message="give exactly one of exists, flag, calendar, mismatch, differs, both_present, needs_role, "
        "python",
    ),
]


class PreferencePlan(Part):
    """One step of choosing a winner: by rows, by a flag, or by a column's greatest or smallest value."""

    exists: Exists | None = None
    flag: Flag | None = None
    highest: Name | None = None
    lowest: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> "PreferencePlan":
        if sum(way is not None for way in (self.exists, self.flag, self.highest, self.lowest)) != 1:
            raise ValueError("give exactly one of exists, flag, highest, lowest")
        return self


def _defaults(packed: PackRule, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a rule takes from its pack. Another severity than the pack's brings its own waiver."""
    defaults = packed.model_dump(exclude={"provided"}, exclude_none=True)
    if "severity" in given:
        defaults.pop("waivable_by", None)
    return defaults
