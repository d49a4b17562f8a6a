"""The whole system in the foreground: `customer-merge up`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from sqlalchemy import text

from customer_merge_demo.customers import CustomerSet
from customer_merge_demo.endpoints import endpoints
from customer_merge_demo.orchestration.engine_room import EngineRoom
from customer_merge_demo.orchestration.probe import READERS
from customer_merge_demo.orchestration.processes import Processes
from customer_merge_demo.orchestration.programs import System
from customer_merge_demo.orchestration.readiness import wait_until_ready
from customer_merge_demo.orchestration.servers import Servers, embedded_bus, embedded_client
from customer_merge_demo.orchestration.story import fill_systems, last_lines_told
from customer_merge_demo.progress import Display, display
from customer_merge_demo.quiet import quiet_logs
from event_runtime.database import create_engine
from event_runtime.embedded import EmbeddedPostgres

_LOOK_AGAIN_S = 0.5


def run(data_directory: Path | None, customers: Callable[[], CustomerSet]) -> NoReturn:
    """Start everything, take `customers` in when the store is empty, and work until a signal ends the program."""
    with ExitStack() as stack:
        shown = stack.enter_context(display())
        directory = data_directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="customer-merge-")))
        quiet_logs(directory / "logs")
        shown.step("starting the database and the bus")
        database = stack.enter_context(EmbeddedPostgres(directory / "postgres" if data_directory else None))
        bootstrap = stack.enter_context(embedded_bus())
        servers = Servers(
            database_url=database.url,
            kafka=embedded_client(bootstrap),
            topic_prefix="",
            embedded_bus=True,
            embedded_database=True,
        )
        system = System.on(servers)
        system.migrate()
        is_empty = _say_everything_again(servers.database_url)
        to_come = customers().customers if is_empty else ()
        shown.step("starting the services")
        processes = stack.enter_context(Processes(directory / "logs"))
        for program in system.programs():
            processes.start(program)
        with last_lines_told(), EngineRoom(servers, to_come, directory / "events.jsonl") as room:
            fill_systems(room, to_come)
            wait_until_ready(processes, system.ports)
            _work(room, processes, shown, system)


def _work(room: EngineRoom, processes: Processes, shown: Display, system: System) -> NoReturn:
    room.feed()
    told = False
    while True:
        processes.require_all_alive()
        if not room.feeder.is_done:
            shown.show(room.sample(), room.feeder.total)
        elif not told:
            sys.stdout.write("\n".join(endpoints(system)) + "\n\nCtrl-C stops it all.\n")
            sys.stdout.flush()
            told = True
        time.sleep(_LOOK_AGAIN_S)


def _say_everything_again(database_url: str) -> bool:
    """Let the relays start over, as the embedded bus forgets everything at its end; whether the store is empty.

    Every reader knows what it has had before and drops it; so nothing that was on its way at a power cut is lost.
    """
    engine = create_engine(database_url, pool_size=1)
    try:
        with engine.begin() as connection:
            for schema in READERS:
                connection.execute(text(_FROM_THE_FIRST_ROW.format(schema=schema)))
            return not connection.execute(text("SELECT EXISTS (SELECT FROM store.customers)")).scalar_one()
    finally:
        engine.dispose()


# What was published more than an hour ago is pruned; on the embedded bus a mark's digest is compared with nothing.
_FROM_THE_FIRST_ROW = """
UPDATE {schema}.outbox_published AS mark SET position = first.position - 1
  FROM (SELECT stream, min(position) AS position FROM {schema}.outbox GROUP BY stream) AS first
 WHERE first.stream = mark.stream"""
