"""The servers and services that a profile's story is told on: a PostgreSQL, a bus, a merge worker and a review desk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from customer_merge_demo.orchestration.processes import Processes, Program, inherited_environment
from customer_merge_demo.orchestration.programs import (
    DESK,
    MERGE_WORKER,
    ProgramFailed,
    last_line,
    script,
    service_settings,
)
from customer_merge_demo.orchestration.readiness import wait_until_ready
from customer_merge_demo.orchestration.servers import Servers, embedded_bus, embedded_client, embedded_database
from customer_merge_demo.profiles import Profile
from customer_merge_demo.profiles.script import Story
from event_runtime.embedded import free_port
from event_runtime.faults import Fault

_COMMAND_LIMIT_S = 60.0
_PREFIXES = {MERGE_WORKER: "MERGE_WORKER_", DESK: "REVIEW_DESK_"}


class TablesRefused(Fault):
    """The database refused a script or a query of a profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running system with the profile's tables. `rows` and `run` use it as a person would."""

    servers: Servers
    connection: psycopg.Connection[tuple[Any, ...]]
    processes: Processes
    environments: Mapping[str, Mapping[str, str]]

    def rows(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names of the columns, and the rows. Raises TablesRefused."""
        try:
            cursor = self.connection.execute(query.encode())
        except psycopg.Error as fault:
            raise TablesRefused(f"the database refused a query of the story: {str(fault).splitlines()[0]}") from None
        return [column.name for column in cursor.description or ()], cursor.fetchall() if cursor.description else []

    def run(self, service: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of a service to its end with `given` on its standard input. Raises ProgramFailed."""
        self.processes.require_all_alive()
        try:
            return subprocess.run(  # noqa: S603 - our own scripts
                [script(service), *arguments],
                env=inherited_environment() | dict(self.environments[service]),
                cwd="/",
                input=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=_COMMAND_LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{service} {arguments[0]} did not end within {_COMMAND_LIMIT_S:g} s") from None


@contextmanager
def set_stage(profile: Profile, story: Story, logs: Path) -> Iterator[Stage]:
    """Start everything, and stop it again. Raises Fault for what keeps it from starting."""
    with ExitStack() as stack:
        servers = Servers(
            database_url=stack.enter_context(embedded_database()),
            kafka=embedded_client(stack.enter_context(embedded_bus())),
            topic_prefix="",
            embedded_bus=True,
            embedded_database=True,
        )
        ports = {name: free_port() for name in _PREFIXES}
        environments = {name: _environment(name, profile, story, servers, ports[name]) for name in _PREFIXES}
        _migrate(environments)
        connection = stack.enter_context(psycopg.connect(servers.database_url, autocommit=True, row_factory=tuple_row))
        for name in ("schema.sql", "seed.sql"):
            _run_script(connection, profile.file(name))
        processes = stack.enter_context(Processes(logs))
        for name in _PREFIXES:
            processes.start(Program(name=name, argv=(script(name), "run"), environment=environments[name]))
        wait_until_ready(processes, ports)
        yield Stage(servers=servers, connection=connection, processes=processes, environments=environments)


def _environment(name: str, profile: Profile, story: Story, servers: Servers, port: int) -> dict[str, str]:
    own = {MERGE_WORKER: story.worker, DESK: {"TENANT": story.tenant} | story.desk}[name]
    prefix = _PREFIXES[name]
    settings = {f"{prefix}{key}": value for key, value in ({"PLAN": profile.name} | own).items()}
    return service_settings(servers, prefix, port) | settings


def _migrate(environments: Mapping[str, Mapping[str, str]]) -> None:
    running = {
        name: subprocess.Popen(  # noqa: S603 - our own scripts
            [script(name), "migrate"],
            env=inherited_environment() | dict(environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, environment in environments.items()
    }
    said = {name: process.communicate()[1] for name, process in running.items()}
    for name, process in running.items():
        if process.returncode:
            raise ProgramFailed(f"{name} migrate failed: {last_line(said[name])}")


def _run_script(connection: psycopg.Connection[tuple[Any, ...]], path: Path) -> None:
    try:
        connection.execute(path.read_bytes())
    except psycopg.Error as fault:
        raise TablesRefused(f"{path}: {str(fault).splitlines()[0]}") from None
