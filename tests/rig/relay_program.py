"""A relay as a process: `python relay_program.py DATABASE_URL BOOTSTRAP CARRIER_TOPIC`; obeys FAILPOINTS."""

import os
import signal
import sys
import threading

from event_runtime import failpoints, logs
from event_runtime.database import create_engine
from event_runtime.health import Progress
from event_runtime.metrics import RuntimeMetrics
from event_runtime.relay import Relay, RelayPolicy

SCHEMA = "rt"


def main() -> None:
    url, bootstrap, carrier_topic = sys.argv[1:]
    logs.configure("relay")
    failpoints.arm(os.environ)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    relay = Relay(
        engine=create_engine(url),
        schema=SCHEMA,
        kafka={"bootstrap.servers": bootstrap},
        progress=Progress("relay"),
        metrics=RuntimeMetrics("relay"),
        carrier_topic=carrier_topic,
        policy=RelayPolicy(lease_s=2.0, restart_s=0.1, poll_s=0.2),
    )
    relay.run(stop)


if __name__ == "__main__":
    main()
