"""A customer file as CustomerCreated, sent by a process of its own: `python -m bench.load_file BOOTSTRAP FILE`."""

import csv
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Producer

from bench import producer_settings
from bench.customers import TENANT
from bench.load_customers import wire_record
from customer_events import Attributes, CustomerCreated


def main(bootstrap: str, file: str) -> int:
    """Send them in the order of the file; say on stdout when the first one goes."""
    with Path(file).open(encoding="utf-8", newline="") as lines:
        made = [wire_record(_event(row)) for row in csv.DictReader(lines)]
    producer = Producer(producer_settings(bootstrap))
    print(time.time(), flush=True)
    for key, value, headers in made:
        producer.produce("customer-created", key=key, value=value, headers=headers)
        producer.poll(0)
    return producer.flush(60)


def _event(row: dict[str, str]) -> CustomerCreated:
    values = {name: value for name, value in row.items() if value and name in Attributes.model_fields}
    return CustomerCreated(
        tenant_id=TENANT,
        customer_id=row["customer_id"],
        version=1,
        occurred_at=datetime.now(UTC),
        source=row.get("source") or "file",
        attributes=Attributes.model_validate(values),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
