"""The event that tells of a record in quarantine."""

import customer_events as wire
from event_runtime.quarantine import QuarantinedFacts


def quarantined_record(facts: QuarantinedFacts) -> wire.QuarantinedRecord:
    """Return the event about a quarantined record."""
    return wire.QuarantinedRecord(
        tenant_id=facts.tenant_id or wire.UNKNOWN_TENANT,
        source=wire.RecordSource(topic=facts.topic, partition=facts.partition, offset=facts.offset),
        class_=facts.class_,
        reason=facts.reason,
        digest=facts.digest,
        body=facts.body,
        attempts=facts.attempts,
        at=facts.at,
    )
