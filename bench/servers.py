"""A broker and a database for one benchmark, as fast and as durable as those of `merge`."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.merge import JAVA, POSTGRES
from event_runtime.embedded import EmbeddedPostgres
from event_runtime.migrate import upgrade
from rig import broker

SCHEMAS: Mapping[str, str] = {
    "customer_merge_demo.store": "store",
    "merge_worker": "merge",
    "dedupe_detector": "detector",
    "review_desk": "review",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where they are; `directory` is for the output of programs, and goes with them."""

    database: str
    bootstrap: str
    directory: Path


@contextmanager
def servers() -> Iterator[Servers]:
    """Start both; the database has the tables of the demo's store and of every service."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="customer-merge-bench-")))
        directory.chmod(0o711)
        server = stack.enter_context(EmbeddedPostgres(settings=POSTGRES))
        bootstrap, kafka = broker.start(directory / "kafka", lives_with=os.getpid(), java_options=JAVA)
        stack.callback(kafka.wait)
        stack.callback(kafka.terminate)
        database = re.sub(r"/postgres$", "/bench", server.url)
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute("CREATE DATABASE bench")
        for package, schema in SCHEMAS.items():
            upgrade(database, package=package, schema=schema)
        yield Servers(database=database, bootstrap=bootstrap, directory=directory)
