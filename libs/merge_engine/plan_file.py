"""The merge plan as it is written in YAML: which tables hold customers and what hangs on them, and how both merge.

Errors name file, line and remedy. Nothing here touches a database.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from customer_identity.merging import Side
from customer_identity.merging.rules import Severity
from customer_identity.merging.survivorship import STRATEGIES
from merge_engine.faults import PlanError

Scalar = bool | int | str
Name = Annotated[str, Field(min_length=1, max_length=63)]
Table = Annotated[str, Field(pattern=r"^[^.]{1,63}\.[^.]{1,63}$", description="schema.table")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Key(_Part):
    """A column that identifies, and its PostgreSQL type."""

    column: Name
    type: Literal["text", "bigint", "integer", "uuid"] = "text"


class Link(_Part):
    """The loser's record is kept; its link column always holds the root."""

    kind: Literal["link"]
    column: Name
    set: dict[Name, Scalar] = {}


class Customer(_Part):
    """The customer table."""

    table: Table
    key: Key
    tenant: Key | None = None
    version: Name
    updated_at: Name | None = None


class FieldPlan(_Part):
    """How a field of the winner is decided."""

    strategy: str
    verified_column: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"strategy": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _known(self) -> "FieldPlan":
        if self.strategy not in STRATEGIES:
            raise ValueError(f"unknown strategy {self.strategy}; use one of {', '.join(STRATEGIES)}")
        if (self.strategy == "VERIFIED_FIRST") != (self.verified_column is not None):
            raise ValueError("VERIFIED_FIRST needs verified_column, and only it takes one")
        return self


class Collision(_Part):
    """Which row stays when rows of the winner and the losers cannot both; ties go to the winner, then by order."""

    policy: Literal["keep_winner", "most_restrictive", "highest"]
    column: Name | None = None

    @model_validator(mode="after")
    def _column(self) -> "Collision":
        if (self.policy == "keep_winner") != (self.column is None):
            raise ValueError("most_restrictive and highest need a column, keep_winner takes none")
        return self


class Announce(_Part):
    """Columns of an external id table that the merge announces."""

    system: Name
    id: Name


class Consent(_Part):
    """Columns of a consent table whose decisions the merge announces."""

    channel: Name
    granted: Name
    evidence: Name


class SumOf(_Part):
    """A sum that a column must always equal, per customer."""

    table: Table
    column: Name


class _Child(_Part):
    table: Table
    customer: Name | None = None
    tenant: Name | None = None


class Repoint(_Child):
    """Rows move to the winner as they are."""

    move: Literal["repoint"]
    row_id: Name = "id"
    external_id: Announce | None = None


class RepointUnique(_Child):
    """Rows move unless the winner's or another loser's row is in the way; rows that lose are put aside.

    `one_flagged` names a boolean column that is true for at most one row of a customer.
    """

    move: Literal["repoint_unique"]
    row_id: Name = "id"
    unique: Annotated[tuple[Name, ...], Field(min_length=1)]
    collision: Collision
    one_flagged: Name | None = None
    consent: Consent | None = None


class SumIntoWinner(_Child):
    """One row a customer; the losers' figures are added to the winner's, and their rows put aside."""

    move: Literal["sum_into_winner"]
    sum: Annotated[tuple[Name, ...], Field(min_length=1)]
    equals: dict[Name, SumOf] = {}


Child = Annotated[Repoint | RepointUnique | SumIntoWinner, Field(discriminator="move")]


class OneOf(_Part):
    """The column's text is one of these, without regard to case."""

    one_of: Annotated[tuple[str, ...], Field(min_length=1)]


Condition = Scalar | OneOf


class Exists(_Part):
    """Rows of a child table that satisfy all conditions."""

    table: Table
    where: dict[Name, Condition] = {}


class Flag(_Part):
    """A column of the customer that satisfies a condition."""

    column: Name
    equals: Condition = True


class ColumnOf(_Part):
    """Values of a column of the customer, or of a child table."""

    column: Name
    table: Table | None = None


class Recent(_Part):
    """A time column of the customer that lies within the last days."""

    column: Name
    within_days: Annotated[int, Field(gt=0)]


class _Rule(_Part):
    rule: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    severity: Severity = Severity.BLOCK
    permanent: bool = True
    waivable_by: str | None = None
    cleared_by_reason: str | None = None
    field: str | None = None
    message: str
    remediation: str

    @model_validator(mode="after")
    def _waiver(self) -> "_Rule":
        if (self.severity is Severity.WAIVABLE) != (self.waivable_by is not None):
            raise ValueError("severity WAIVABLE needs waivable_by, and only it takes one")
        return self


class _SidedRule(_Rule):
    side: Literal[Side.WINNER, Side.LOSER, Side.EITHER]


class ExistsRule(_SidedRule):
    """Fails when a customer on that side has such rows."""

    exists: Exists


class FlagRule(_SidedRule):
    """Fails when a customer on that side is flagged."""

    flag: Flag


class MismatchRule(_Rule):
    """Fails when two customers both have a value and the values differ."""

    mismatch: ColumnOf


class BothPresentRule(_Rule):
    """Fails when the condition holds for two of the customers."""

    both_present: Recent


RulePlan = ExistsRule | FlagRule | MismatchRule | BothPresentRule


class PreferencePlan(_Part):
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


class IdentifierPlan(_Part):
    """Where an identifier is found: in a child table, or in a column of the customer."""

    kind: Literal["email", "phone", "national_id"]
    column: Name
    table: Table | None = None
    search_column: Name | None = None
    verified: Name | None = None


class Display(_Part):
    """What a list of customers shows, and what can be searched."""

    source: Name | None = None
    status: Name | None = None
    full_name: Name | None = None
    name_parts: tuple[Name, ...] = ()
    identifiers: tuple[IdentifierPlan, ...] = ()
    postal_code: ColumnOf | None = None


class Plan(_Part):
    """A whole merge plan."""

    name: Name
    revision: Annotated[int, Field(ge=1)]
    undo_window_days: Annotated[int, Field(ge=0)] = 30
    customer: Customer
    disposition: Link
    fields: dict[Name, FieldPlan]
    children: tuple[Child, ...]
    rules: tuple[RulePlan, ...] = ()
    winner: tuple[PreferencePlan, ...] = ()
    display: Display = Display()
    ignore: dict[Table, Annotated[str, Field(min_length=1)]] = {}

    @model_validator(mode="after")
    def _distinct_tables(self) -> "Plan":
        tables = [child.table for child in self.children]
        twice = sorted({table for table in tables if tables.count(table) > 1})
        if twice:
            raise ValueError(f"each child table may stand once, these stand more often: {', '.join(twice)}")
        return self


def load_plan(plan: str | Path) -> Plan:
    """Read a plan by path, or a shipped one by its bare name."""
    path = _path_of(plan)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: the plan cannot be read: {error}") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PlanError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        lines = [
            f"{path}:{_line(root, fault['loc'])}: {_spot(fault['loc'])}: {fault['msg']}{_hint(fault['input'])}"
            for fault in error.errors()
        ]
        raise PlanError("\n".join(lines)) from error


def shipped_plans() -> list[str]:
    """Names of the plans that come with the engine."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


_SHIPPED = Path(__file__).parent / "plans"


def _path_of(plan: str | Path) -> Path:
    if isinstance(plan, str) and "/" not in plan and not plan.endswith((".yaml", ".yml")):
        shipped = _SHIPPED / f"{plan}.yaml"
        if not shipped.is_file():
            raise PlanError(f"there is no shipped plan {plan!r}; give a path, or one of: {', '.join(shipped_plans())}")
        return shipped
    return Path(plan)


def _hint(value: object) -> str:
    return " (YAML reads bare yes, no, on and off as true and false: quote them)" if isinstance(value, bool) else ""


def _spot(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location) or "plan"


def _line(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The line of the innermost YAML node on the way to `location`; steps that pydantic added are passed over."""
    line = 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = node.value[step]
        else:
            found = None
        if found is not None:
            node = found
            line = node.start_mark.line + 1
    return line
