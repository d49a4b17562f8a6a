"""The event that tells of a record in quarantine."""

from customer_events import UNKNOWN_TENANT, QuarantinedRecord, RecordSource
from event_runtime.quarantine import QuarantinedFacts


def quarantined_record(facts: QuarantinedFacts) -> QuarantinedRecord:
    """The event about a quarantined record."""
    return QuarantinedRecord(
        tenant_id=facts.tenant_id or UNKNOWN_TENANT,
        source=RecordSource(topic=facts.topic, partition=facts.partition, offset=facts.offset),
        class_=facts.class_,
        reason=facts.reason,
        digest=facts.digest,
        body=facts.body,
        attempts=facts.attempts,
        at=facts.at,
    )
