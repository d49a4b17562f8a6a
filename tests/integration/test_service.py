"""A running service: signals, health over HTTP, waiting for servers."""

import json
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from rig.fixtures import Spawn
from rig.processes import Program, eventually

# A service of one loop that waits for a file, as for a server, and works until it is stopped.
PROGRAM = """
import os, sys, threading, time
from event_runtime import logs
from event_runtime.command_line import Command, run_cli
from event_runtime.faults import ServerUnavailable
from event_runtime.metrics import RuntimeMetrics
from event_runtime.service import Service
from event_runtime.settings import HttpSettings

class Work:
    def __init__(self, progress):
        self.progress = progress
    def run(self, stop):
        self.progress.ready()
        print("working", flush=True)
        stop.wait()
        if MODE == "hang":
            threading.Event().wait()
        time.sleep(0.3)  # what it has in hand
        print("finished what was in hand", flush=True)
        if MODE == "crash":
            raise ValueError("ada@example.com")

def wait_for_file():
    if not os.path.exists(FILE):
        raise ServerUnavailable("the file is not there")

def tick():
    if MODE == "tick":
        raise ValueError("ada@example.com")

CALLS = []
SOONER = threading.Event()

def woken():
    CALLS.append(None)
    print(f"called {len(CALLS)}", flush=True)
    if len(CALLS) == 1:
        SOONER.set()  # while it is at work

def run(options):
    logs.configure("sample")
    metrics = RuntimeMetrics("sample", outcomes=("done",))
    service = Service("sample", http=HttpSettings(port=PORT), metrics=metrics, stop_limit_s=2)
    service.needs("the file", wait_for_file)
    service.loop("work", Work)
    service.every(0.1, "tick", tick)
    if MODE == "sooner":
        service.every(3600, "seldom", woken, sooner=SOONER)
    service.closes(lambda: print("closed", flush=True))
    return service.run()

PORT, FILE, MODE = int(sys.argv[1]), sys.argv[2], sys.argv[3]
sys.exit(run_cli("sample", "", [Command(name="run", help="", run=run)], argv=["run"]))
"""


def start(spawn: Spawn, file: Path, port: int = 0, mode: str = "well") -> Program:
    program = file.with_name("sample.py")
    program.write_text(PROGRAM)
    return spawn([sys.executable, str(program), str(port), str(file), mode])


def http_port(program: Program) -> int:
    return int(program.wait_for(r'"http_port": (\d+)')[1])


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_a_service_waits_for_what_it_needs_and_says_so(spawn: Spawn, tmp_path: Path) -> None:
    file = tmp_path / "server"
    program = start(spawn, file)
    port = http_port(program)
    program.wait_for('"event": "waiting_for_server"')
    status, said = get(port, "/readyz")
    assert status == 503
    assert "work: waiting: the file: the file is not there" in json.loads(said)["waiting_for"]
    assert get(port, "/livez")[0] == 200
    file.touch()
    eventually(lambda: get(port, "/readyz") == (200, '{"status": "ok", "waiting_for": []}\n'))
    assert program.stop() == 0


def test_a_signal_lets_every_loop_finish_and_ends_with_status_0(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "server").touch()
    program = start(spawn, tmp_path / "server")
    program.wait_for("working")
    assert program.stop() == 0
    assert program.stdout.splitlines() == ["working", "finished what was in hand", "closed"]


def test_periodic_work_is_called_sooner_when_asked_and_does_not_hold_up_the_end(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "server").touch()
    program = start(spawn, tmp_path / "server", mode="sooner")
    program.wait_for("called 2", 20)
    assert program.stop() == 0, "the next time comes in an hour"
    assert "called 3" not in program.stdout


def test_a_loop_that_fails_ends_the_service_with_one_line_and_without_data(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "server").touch()
    program = start(spawn, tmp_path / "server", mode="crash")
    program.wait_for("working")
    assert program.stop() == 1
    assert "loop_failed" in program.stderr
    assert "ada" not in program.stderr
    assert "Traceback" not in program.stderr


def test_a_loop_that_does_not_end_is_named_and_holds_nobody_up(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "server").touch()
    program = start(spawn, tmp_path / "server", mode="hang")
    program.wait_for("working")
    assert program.stop() == 1
    assert '"unfinished_loops": ["work"]' in program.stderr
    assert "closed" in program.stdout


def test_periodic_work_that_fails_is_tried_again_and_shown(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "server").touch()
    program = start(spawn, tmp_path / "server", mode="tick")
    port = http_port(program)
    eventually(lambda: "customer_merge_loop_failures_total 2.0" in get(port, "/metrics")[1])
    assert json.loads(get(port, "/readyz")[1])["waiting_for"] == ["tick: waiting: ValueError"]
    assert "ada" not in program.stderr


def test_metrics_are_there_from_the_start(spawn: Spawn, tmp_path: Path) -> None:
    program = start(spawn, tmp_path / "server")
    said = get(http_port(program), "/metrics")[1]
    assert 'customer_merge_outcomes_total{outcome="done"} 0.0' in said
    assert 'customer_merge_build_info{python="3' in said
    assert get(http_port(program), "/")[0] == 404


def test_an_occupied_port_is_one_line_and_status_1(spawn: Spawn, tmp_path: Path) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        program = start(spawn, tmp_path / "server", port=port)
        assert program.wait() == 1
    assert program.stderr == (
        f"sample: cannot listen on 127.0.0.1:{port} (HTTP__HOST, HTTP__PORT): Address already in use\n"
    )


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_while_waiting_ends_it_as_well(spawn: Spawn, tmp_path: Path, number: str) -> None:
    import signal

    program = start(spawn, tmp_path / "server")
    program.wait_for('"event": "waiting_for_server"')
    program.signal(signal.Signals[number])
    assert program.wait() == 0
