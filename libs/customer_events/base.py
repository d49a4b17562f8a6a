"""What every event shares: the model base and the bounded types its fields are made of.

Bounds are part of the contract. They keep one record from filling a worker's memory, and they keep out what the
databases behind the consumers cannot hold (a NUL in a text).
"""

from dataclasses import field, make_dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

MAX_ID_CHARACTERS = 200
MAX_TEXT_CHARACTERS = 2_000
MAX_VALUE_CHARACTERS = 10_000
MAX_ITEMS = 10_000  # of any array or map; the record's size is bounded separately, before it is decoded
MAX_LONG = 2**63 - 1
HASH_BYTES = 32


_V = TypeVar("_V")


def _in_utc(value: Any, check: ValidatorFunctionWrapHandler) -> datetime:
    # Nearly every time comes from a decoder, or the clock, as it has to be; the check would copy it.
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    checked: datetime = check(value)
    return checked.astimezone(UTC)


def in_order_of_keys(value: dict[str, _V]) -> dict[str, _V]:
    """The one form of a map: two events say the same when their fields are written the same."""
    return value if len(value) < 2 else dict(sorted(value.items()))


Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_CHARACTERS, pattern=r"^[^\p{Cc}]+$")]
"""An identifier or a name given by a program: 1 to 200 characters, none of them a control character."""

TenantId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_CHARACTERS, pattern=r"^[^\p{Cc}:]+$")]
"""As `Id`, without a colon: record keys are `tenant:id`, and two tenants must never share one."""

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARACTERS, pattern=r"^[^\x00]*$")]
"""Free text up to 2,000 characters."""

Value = Annotated[str, StringConstraints(max_length=MAX_VALUE_CHARACTERS, pattern=r"^[^\x00]*$")]
"""A field's value as the source wrote it, up to 10,000 characters."""

Count = Annotated[int, Field(ge=0, le=MAX_LONG)]
"""A version, revision, position or number of things: an Avro `long` that is never negative."""

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Weight = Annotated[float, Field(allow_inf_nan=False)]

Timestamp = Annotated[AwareDatetime, WrapValidator(_in_utc)]
"""An aware time, converted to UTC; microseconds on the wire."""

Hash = Annotated[bytes, Field(min_length=HASH_BYTES, max_length=HASH_BYTES)]
"""A SHA-256 digest."""

Items = Field(max_length=MAX_ITEMS)
Ids = Annotated[tuple[Id, ...], Items]
SomeIds = Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_ITEMS)]

NO_HASH = bytes(HASH_BYTES)
"""What the first event of a stream names as its predecessor, and what any carries until it has its place."""


class WireModel(BaseModel):
    """A record on the wire: immutable, closed to unknown fields, silent about its content when printed or refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
        ser_json_bytes="hex",
        val_json_bytes="hex",
        defer_build=True,
        protected_namespaces=(),
    )

    def __repr__(self) -> str:
        """Only the type: a payload may hold personal data, and a repr ends up in logs."""
        return f"{type(self).__name__}(…)"

    __str__ = __repr__


_M = TypeVar("_M", bound=WireModel)


def unchecked(model: type[_M]) -> type[_M]:
    """Make records that have the model's name and attributes, and nothing else: no checks, a fifth of the time.

    For a program's own events, made of what was checked when it was read and of what the program itself made, on their
    way to an encoder. What comes out of somebody's tables is given to the model itself. To a type checker it is the
    model.
    """
    attributes: list[Any] = [
        (name, Any) if about.is_required() else (name, Any, field(default=about.get_default()))
        for name, about in model.model_fields.items()
    ]
    return cast("type[_M]", make_dataclass(model.__name__, attributes, slots=True, kw_only=True, repr=False, eq=False))


class Event(WireModel):
    """An event or a command. Its first field is the tenant it belongs to."""

    tenant_id: TenantId


class StreamEvent(WireModel):
    """An event of customer-merged.

    Its place in the stream comes before everything else, so that the rest can be encoded before the place is known.
    Until then it holds zeros.
    """

    stream: Count = 0
    sequence: Count = 0
    prev_hash: Hash = NO_HASH
    tenant_id: TenantId
