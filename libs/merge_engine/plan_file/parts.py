"""What all parts of a plan are made of: names, keys, conditions on columns."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Scalar = bool | int | str
Name = Annotated[str, Field(min_length=1, max_length=63)]
Table = Annotated[str, Field(pattern=r"^[^.]{1,63}\.[^.]{1,63}$", description="schema.table")]
KeyType = Literal["text", "bigint", "integer", "uuid"]
RuleName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]


class Part(BaseModel):
    """A part of a plan: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Key(Part):
    """A column that identifies, and its PostgreSQL type."""

    column: Name
    type: KeyType = "text"


class OneOf(Part):
    """The column's text is one of these, without regard to case."""

    one_of: Annotated[tuple[Scalar, ...], Field(min_length=1)]


class Not(Part):
    """The column is anything but this, or none of these; an empty column is something else too."""

    not_: Annotated[Scalar | Annotated[tuple[Scalar, ...], Field(min_length=1)], Field(alias="not")]


class Above(Part):
    """The column is a number greater than this."""

    above: int | float


class Below(Part):
    """The column is a number smaller than this."""

    below: int | float


class WithinDays(Part):
    """The column is a time within the last days."""

    within_days: Annotated[int, Field(gt=0)]


class Present(Part):
    """The column holds something (or, with false, nothing). Blank text is nothing."""

    present: bool


def _form(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return _FORMS.get(next(iter(type(value).model_fields)))
    if not isinstance(value, dict):
        return "value"
    return next((form for form in _FORMS.values() if form in value), None)


_FORMS = {
    "one_of": "one_of",
    "not_": "not",
    "above": "above",
    "below": "below",
    "within_days": "within_days",
    "present": "present",
}

Condition = Annotated[
    Annotated[Scalar, Tag("value")]
    | Annotated[OneOf, Tag("one_of")]
    | Annotated[Not, Tag("not")]
    | Annotated[Above, Tag("above")]
    | Annotated[Below, Tag("below")]
    | Annotated[WithinDays, Tag("within_days")]
    | Annotated[Present, Tag("present")],
    Discriminator(
        _form,
        custom_error_type="condition",
        custom_error_message="write a value, or one of the forms one_of, not, above, below, within_days, present",
    ),
]


class Exists(Part):
    """Rows of a table that belong to the customer and satisfy all conditions.

    `customer` and `tenant` name the columns that say whose a row is; absent, those of the child of that table count.
    """

    table: Table
    where: dict[Name, Condition] = {}
    customer: Name | None = None
    tenant: Name | None = None


class Flag(Part):
    """A column of the customer that satisfies a condition."""

    column: Name
    equals: Condition = True


class ColumnOf(Part):
    """Values of a column of the customer, or of a table's rows that belong to the customer."""

    column: Name
    table: Table | None = None
    where: dict[Name, Condition] = {}
    customer: Name | None = None
    tenant: Name | None = None
