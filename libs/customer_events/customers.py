"""Topic customer-created: what the systems that own customers say about them."""

from typing import Annotated

from pydantic import AfterValidator, Field

from customer_events.base import Count, Event, Id, Ids, Timestamp, Value, WireModel, in_order_of_keys

MAX_EXTRA_FIELDS = 200

Extra = Annotated[dict[Id, Value], Field(max_length=MAX_EXTRA_FIELDS), AfterValidator(in_order_of_keys)]


class Attributes(WireModel):
    """The personal data a detector compares, as the source wrote it. Absent is None."""

    full_name: Value | None = None
    given_name: Value | None = None
    middle_name: Value | None = None
    family_name: Value | None = None
    date_of_birth: Value | None = None
    gender: Value | None = None
    email: Value | None = None
    phone: Value | None = None
    street: Value | None = None
    city: Value | None = None
    region: Value | None = None
    postal_code: Value | None = None
    country: Value | None = None
    national_id: Value | None = None
    occupation: Value | None = None
    email_verified: bool | None = None
    phone_verified: bool | None = None


class CustomerCreated(Event):
    """A customer record came into being."""

    customer_id: Id
    version: Count
    occurred_at: Timestamp
    source: Id
    attributes: Attributes
    extra: Extra = Field(default_factory=dict)


class CustomerUpdated(Event):
    """A customer record changed; it carries the whole record as it is now."""

    customer_id: Id
    version: Count
    occurred_at: Timestamp
    source: Id
    attributes: Attributes
    extra: Extra = Field(default_factory=dict)
    changed_fields: Ids = ()


class CustomerErased(Event):
    """A person's data must go. Never a merge, and never undone."""

    customer_id: Id
    version: Count
    occurred_at: Timestamp
    request_reference: Id | None = None
