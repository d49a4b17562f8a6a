"""The programs of the system and the settings each is started with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from customer_merge_demo.orchestration.processes import Program, inherited_environment
from customer_merge_demo.orchestration.servers import Servers
from customer_merge_demo.systems import SYSTEM_NAMES
from event_runtime.embedded import free_port
from event_runtime.faults import Fault
from event_runtime.migrate import upgrade

MERGE_WORKER, DETECTOR, DESK = "merge-worker", "dedupe-detector", "review-desk"
_PREFIXES = {MERGE_WORKER: "MERGE_WORKER_", DETECTOR: "DEDUPE_DETECTOR_", DESK: "REVIEW_DESK_"}
_OWN_SCHEMAS = ("store", *SYSTEM_NAMES)
POLICY_FILE = Path(__file__).parents[1] / "policy.yaml"


class ProgramFailed(Fault):
    """A command of the system failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Every program of the system on the given servers, each on an HTTP port of its own."""

    servers: Servers
    ports: Mapping[str, int]

    @classmethod
    def on(cls, servers: Servers) -> System:
        """The system with free ports."""
        names = (*_PREFIXES, *(f"relinker-{name}" for name in SYSTEM_NAMES))
        return cls(servers=servers, ports={name: free_port() for name in names})

    def programs(self) -> list[Program]:
        """The long-running programs, in the order to start them."""
        services = [
            Program(name=name, argv=(script(name), "run"), environment=self.environment(name)) for name in _PREFIXES
        ]
        relinkers = [
            Program(
                name=f"relinker-{name}",
                argv=(sys.executable, "-m", "customer_merge_demo.relinker", name),
                environment=self._settings("RELINKER_", f"relinker-{name}"),
            )
            for name in SYSTEM_NAMES
        ]
        return [*services, *relinkers]

    def environment(self, service: str) -> dict[str, str]:
        """The variables that a service's console script needs on these servers."""
        prefix = _PREFIXES[service]
        extra = {
            MERGE_WORKER: {"RELINK__SYSTEMS": _json_list(SYSTEM_NAMES), "PLAN": "default"},
            DETECTOR: {},
            DESK: {"POLICY": str(POLICY_FILE), "PLAN": "default", "RELINK_SYSTEMS": _json_list(SYSTEM_NAMES)},
        }[service]
        return self._settings(prefix, service) | {f"{prefix}{name}": value for name, value in extra.items()}

    def migrate(self) -> None:
        """Bring every schema up to date: the services' by their own command, ours directly. Raises ProgramFailed."""
        running = {
            name: subprocess.Popen(  # noqa: S603 - our own scripts
                [script(name), "migrate"],
                env=inherited_environment() | self.environment(name),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in _PREFIXES
        }
        try:
            for schema in _OWN_SCHEMAS:
                upgrade(self.servers.database_url, package=f"customer_merge_demo.{schema}", schema=schema)
            for name, process in running.items():
                _, said = process.communicate()
                if process.returncode:
                    raise ProgramFailed(f"{name} migrate failed: {last_line(said)}")
        finally:
            for process in running.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def ask(self, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of a service's other commands to its end."""
        return subprocess.run(  # noqa: S603 - our own scripts
            [script(service), *arguments],
            env=inherited_environment() | self.environment(service),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _settings(self, prefix: str, program: str) -> dict[str, str]:
        return service_settings(self.servers, prefix, self.ports[program])


def service_settings(servers: Servers, prefix: str, port: int) -> dict[str, str]:
    """The variables with which a service finds these servers."""
    kafka = {f"KAFKA__{name.replace('.', '_').upper()}": value for name, value in servers.kafka.items()}
    values = {
        "DATABASE__URL": servers.database_url,
        **kafka,
        "TOPIC_PREFIX": servers.topic_prefix,
        "HTTP__PORT": str(port),
        "RELAY__TRANSACTIONAL": str(not servers.embedded_bus).lower(),
    }
    return {f"{prefix}{name}": value for name, value in values.items() if value}


def script(name: str) -> str:
    """The path of a console script of this installation. Raises ProgramFailed."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ProgramFailed(f"the program {name} is not installed beside {sys.executable}; install customer-merge anew")
    return found


def _json_list(names: Sequence[str]) -> str:
    return "[" + ",".join(f'"{name}"' for name in names) + "]"


def last_line(said: str) -> str:
    """The last line of what a program said."""
    return said.strip().rpartition("\n")[2] or "it said nothing"
