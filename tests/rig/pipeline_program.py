"""A pipeline as a process: `python pipeline_program.py DATABASE_URL BOOTSTRAP TOPIC_PREFIX`; obeys FAILPOINTS.

A command whose reason is "kill the process" does that to it.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import Connection

import customer_events
from event_runtime import failpoints, logs
from event_runtime.codec import Codec, SchemaStore
from event_runtime.database import create_engine
from event_runtime.records import Received
from rig.runtime import Converter, Runtime


def main() -> None:
    url, bootstrap, prefix = sys.argv[1:4]
    group = sys.argv[4] if len(sys.argv) > 4 else "rt"
    kafka = dict(pair.split("=", 1) for pair in sys.argv[5:])
    logs.configure("pipeline")
    failpoints.arm(os.environ)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    runtime = Runtime(
        url=url,
        engine=create_engine(url),
        codec=Codec(SchemaStore(customer_events.schemas_directory()), customer_events.CATALOGUE),
        topics={name: prefix + name for name in customer_events.TOPICS},
    )
    handlers = {"merge-command": Converter(runtime, _obey)}
    key = os.environ.get("QUARANTINE_KEY")
    cipher = Fernet(key) if key else None
    runtime.pipeline(bootstrap, handlers, group=group, kafka=kafka, cipher=cipher).run(stop)


def _obey(_connection: Connection, received: Sequence[Received]) -> None:
    events: list[Any] = [each.event for each in received]
    if any(event.reason == "kill the process" for event in events):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
