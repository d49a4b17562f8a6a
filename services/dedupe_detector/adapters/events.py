"""From customer events to records."""

from customer_events import CustomerCreated, CustomerUpdated
from customer_identity.records import CustomerRecord


def record_of(event: CustomerCreated | CustomerUpdated) -> CustomerRecord:
    """The customer an event tells of; absent values are empty."""
    values = event.attributes.model_dump(exclude={"email_verified", "phone_verified"}, exclude_none=True)
    return CustomerRecord.of(
        values,
        tenant_id=event.tenant_id,
        customer_id=event.customer_id,
        version=event.version,
        source=event.source,
        email_verified=bool(event.attributes.email_verified),
        phone_verified=bool(event.attributes.phone_verified),
    )
