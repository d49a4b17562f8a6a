"""The real servers of a test run, each started when first asked for and stopped with the run.

The pytest process that owns the run (with xdist: the controller) makes a directory, in memory where there is enough of
it, and names it in the environment.
Whichever process first needs a server starts it there under a lock; everybody else reads its address. Guards end the
servers with the owner, however that ends.

`python tests/rig/servers.py` starts both in the foreground and prints the lines to export, for many runs
on the same servers.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from event_runtime.embedded import EmbeddedPostgres
from event_runtime.faults import ServerUnavailable
from rig import broker

_DIRECTORY_VARIABLE = "CUSTOMER_MERGE_RIG_DIRECTORY"
_STOP_LIMIT_S = 30.0
# A test's database is a thousand files, a topic some dozen: on a disk, making and removing them is most of a test.
_MEMORY = Path("/dev/shm")  # noqa: S108 - the run's directory in it has a name of its own
_ENOUGH_MEMORY = 4 * 2**30
# Tests kill processes, never the power: nothing is synced, and a little log is written over and over. Many workers,
# each with services of several connections.
_POSTGRES_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "400",
    "min_wal_size": "512MB",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "1h",
    "jit": "off",
}


def own_run() -> Path:
    """Make this process the owner of a run's servers; call `end_run` at its end."""
    for place in (Path(tempfile.gettempdir()), _MEMORY):
        for leftover in place.glob("customer-merge-rig-*/owner"):
            if not Path("/proc", leftover.read_text()).exists():  # killed: its guards have ended the servers
                shutil.rmtree(leftover.parent, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix="customer-merge-rig-", dir=_MEMORY if _has_room(_MEMORY) else None))
    directory.chmod(0o711)  # the user that PostgreSQL runs as must come through
    (directory / "owner").write_text(str(os.getpid()))
    os.environ[_DIRECTORY_VARIABLE] = str(directory)
    return directory


def end_run(directory: Path) -> None:
    """Stop every server of the run and wait for their ends."""
    for answer in directory.glob("*.json"):
        guard_pid = json.loads(answer.read_text()).get("guard")
        if guard_pid:
            _stop(guard_pid)
    shutil.rmtree(directory, ignore_errors=True)
    os.environ.pop(_DIRECTORY_VARIABLE, None)


def run_directory() -> Path:
    """Where the processes of this run share things."""
    return Path(os.environ[_DIRECTORY_VARIABLE])


def postgres_url() -> str:
    """The URL of a superuser on the run's PostgreSQL. Raises ServerUnavailable."""
    return os.environ.get("TEST_DATABASE_URL") or once("postgres", _start_postgres)["address"]


def kafka_bootstrap() -> str:
    """The bootstrap of the run's Apache Kafka. Raises ServerUnavailable."""
    return os.environ.get("TEST_KAFKA_BOOTSTRAP") or once("kafka", _start_kafka)["address"]


def once(name: str, make: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What `make` answers, called once in the run by whichever process comes first. Its failure is everybody's."""
    directory = run_directory()
    answer_path = directory / f"{name}.json"
    with (directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer_path.exists():
            try:
                answer = make()
            except ServerUnavailable as reason:
                answer = {"error": str(reason)}
            answer_path.write_text(json.dumps(answer))
    remembered: dict[str, str] = json.loads(answer_path.read_text())
    if "error" in remembered:
        raise ServerUnavailable(remembered["error"])
    return remembered


def answers(pattern: str) -> list[dict[str, str]]:
    """Everything that `once` has made so far under names that match `pattern`."""
    return [json.loads(path.read_text()) for path in run_directory().glob(f"{pattern}.json")]


def _has_room(memory: Path) -> bool:
    if not os.access(memory, os.W_OK):
        return False
    found = os.statvfs(memory)
    # PostgreSQL's programs may have to be copied there (see EmbeddedPostgres).
    return found.f_bavail * found.f_frsize >= _ENOUGH_MEMORY and not found.f_flag & os.ST_NOEXEC


def _owner() -> int:
    return int((run_directory() / "owner").read_text())


def _start_postgres() -> dict[str, str]:
    programs = os.environ.get("TEST_POSTGRES_PROGRAMS")
    server = EmbeddedPostgres(
        run_directory() / "postgres-server",
        settings=_POSTGRES_SETTINGS,
        programs=Path(programs) if programs else None,
        lives_with=_owner(),
        keep=False,
    )
    server.start()
    return {"address": server.url, "guard": str(server.guard_pid)}


def _start_kafka() -> dict[str, str]:
    bootstrap, guard = broker.start(run_directory() / "kafka-server", lives_with=_owner())
    return {"address": bootstrap, "guard": str(guard.pid)}


def _stop(guard_pid: str) -> None:
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(int(guard_pid))
        os.kill(int(guard_pid), signal.SIGTERM)
        ended = select.poll()
        ended.register(pidfd, select.POLLIN)
        ended.poll(_STOP_LIMIT_S * 1000)
        os.close(pidfd)


def main() -> int:
    """Start both servers, print how to share them, and wait for Ctrl-C or SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    directory = own_run()
    try:
        print(f"export TEST_DATABASE_URL={postgres_url()}", flush=True)
        print(f"export TEST_KAFKA_BOOTSTRAP={kafka_bootstrap()}", flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    except ServerUnavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    finally:
        end_run(directory)


if __name__ == "__main__":
    sys.exit(main())
