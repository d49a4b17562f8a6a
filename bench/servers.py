"""A broker and a database for one benchmark: fast, and as durable as in service."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from event_runtime.embedded import EmbeddedPostgres
from event_runtime.migrate import upgrade
from rig import broker

# Larger than all the WAL of a run: no checkpoint inside a measurement, so no full-page images for one side only.
POSTGRES = {
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "max_connections": "100",
    "jit": "off",
    "synchronous_commit": "on",
}
# Those of Kafka's own start script, but for the collector, which works beside the broker on cores that are counted.
JAVA = ("-Xms1g", "-Xmx1g", "-server", "-XX:+UseSerialGC")
WORKER_SCHEMAS: Mapping[str, str] = {"customer_merge_demo.store": "store", "merge_worker": "merge"}
DETECTOR_SCHEMAS: Mapping[str, str] = {"dedupe_detector": "detector"}
ALL_SCHEMAS: Mapping[str, str] = {**WORKER_SCHEMAS, **DETECTOR_SCHEMAS, "review_desk": "review"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where they are; `directory` is for the output of programs, and goes with them. `pids`: postgres and broker."""

    database: str
    bootstrap: str
    directory: Path
    pids: Mapping[str, int]

    def url_of(self, database: str) -> str:
        """The URL of another database of the same server."""
        return re.sub(r"/bench$", f"/{database}", self.database)


def database_of(server: EmbeddedPostgres) -> str:
    """The URL of the benchmark's database on its server."""
    return re.sub(r"/postgres$", "/bench", server.url)


@contextmanager
def database_server(schemas: Mapping[str, str]) -> Iterator[EmbeddedPostgres]:
    """Start PostgreSQL with the benchmark's database, which has the tables of these packages (see database_of)."""
    with EmbeddedPostgres(settings=POSTGRES) as server:
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute("CREATE DATABASE bench")
        for package, schema in schemas.items():
            upgrade(database_of(server), package=package, schema=schema)
        yield server


@contextmanager
def servers(schemas: Mapping[str, str] = ALL_SCHEMAS, *, java_options: Sequence[str] = JAVA) -> Iterator[Servers]:
    """Start both; the database has the tables of the packages in `schemas`, each in its schema."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="customer-merge-bench-")))
        directory.chmod(0o711)
        server = stack.enter_context(database_server(schemas))
        bootstrap, kafka = broker.start(directory / "kafka", lives_with=os.getpid(), java_options=java_options)
        stack.callback(kafka.wait)
        stack.callback(kafka.terminate)
        pids = {"postgres": server.guard_pid, "broker": kafka.pid}
        yield Servers(database=database_of(server), bootstrap=bootstrap, directory=directory, pids=pids)
