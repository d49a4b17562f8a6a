"""The guard of a server: nothing outlives whom it was started for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from event_runtime import guard
from rig.fixtures import Spawn
from rig.processes import Program, eventually

SLEEPER = [sys.executable, "-c", "import os, time; print('server', os.getpid(), flush=True); time.sleep(600)"]


def start(spawn: Spawn, owner: int, directory: Path) -> tuple[Program, int]:
    directory.mkdir()
    program = spawn(guard.command(SLEEPER, watch=owner, remove=directory))
    return program, int(program.wait_for(r"server (\d+)")[1])


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_server_ends_with_its_owner_and_its_directory_with_it(spawn: Spawn, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as owner:
        _, server = start(spawn, owner.pid, tmp_path / "data")
        owner.kill()
    eventually(lambda: is_gone(server) and not (tmp_path / "data").exists())


def test_a_server_ends_when_its_guard_is_told_to(spawn: Spawn, tmp_path: Path) -> None:
    program, server = start(spawn, os.getpid(), tmp_path / "data")
    assert program.stop() == -signal.SIGTERM % 256
    assert is_gone(server)


def test_a_server_ends_when_its_guard_is_killed(spawn: Spawn, tmp_path: Path) -> None:
    program, server = start(spawn, os.getpid(), tmp_path / "data")
    program.kill()
    eventually(lambda: is_gone(server))


def test_a_server_is_not_started_for_somebody_who_is_gone(spawn: Spawn, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as owner:
        owner.wait()
    program = spawn(guard.command(SLEEPER, watch=owner.pid))
    assert program.wait() == 1
    assert program.stdout == ""


def test_a_server_that_ends_by_itself_ends_its_guard_with_its_status(spawn: Spawn) -> None:
    program = spawn(guard.command([sys.executable, "-c", "raise SystemExit(3)"], watch=os.getpid()))
    assert program.wait() == 3
