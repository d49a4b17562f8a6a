"""How to reach a running system, in lines that can be pasted into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from customer_merge_demo.orchestration.programs import DESK, DETECTOR, MERGE_WORKER, System


def endpoints(system: System) -> Iterator[str]:
    """Every endpoint, and the settings with which the services' own commands reach them."""
    servers = system.servers
    yield ""
    yield f"Database   {servers.database_url}"
    yield f"Kafka      {servers.kafka['bootstrap.servers']}"
    if servers.topic_prefix:
        yield f"Topics     {servers.topic_prefix}…"
    for name, port in system.ports.items():
        yield f"{name:<20} http://127.0.0.1:{port}/readyz  /livez  /metrics"
    yield ""
    yield "To use merge-worker, dedupe-detector and review-desk on it, paste:"
    for service in (MERGE_WORKER, DETECTOR, DESK):
        for name, value in system.environment(service).items():
            if not name.endswith("HTTP__PORT"):
                yield f"export {name}={shlex.quote(value)}"
    yield ""
    yield "Then, for example:  review-desk list   review-desk search --name Smith   merge-worker status"
