"""Failpoints: armed by the environment, in tests only."""

import os
import signal
import subprocess
import sys

import pytest

from event_runtime.failpoints import FailpointReached, Failpoints
from event_runtime.faults import SettingError


def armed(text: str) -> Failpoints:
    return Failpoints.from_environment({"FAILPOINTS_ENABLED": "1", "FAILPOINTS": text})


def test_nothing_is_armed_unless_failpoints_are_enabled() -> None:
    points = Failpoints.from_environment({"FAILPOINTS": "before_commit=crash"})
    points.reach("before_commit")
    assert points.armed == {}


def test_a_point_acts_once_at_the_passage_it_names() -> None:
    points = armed("after_poll=raise:2")
    points.reach("after_poll")
    with pytest.raises(FailpointReached, match="after_poll"):
        points.reach("after_poll")
    points.reach("after_poll")


@pytest.mark.parametrize("text", ["after_poll", "after_poll=explode", "after_poll=raise:often"])
def test_a_wrong_list_is_a_setting_error(text: str) -> None:
    with pytest.raises(SettingError, match="FAILPOINTS"):
        armed(text)


def test_a_crash_is_the_end_without_any_clean_up() -> None:
    code = (
        "import atexit, os; from event_runtime import failpoints; atexit.register(print, 'cleaned up');"
        "failpoints.arm(os.environ); failpoints.failpoint('here'); print('went on')"
    )
    environment = {"FAILPOINTS_ENABLED": "1", "FAILPOINTS": "here=crash"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")


def test_a_pause_stops_the_thread_that_reached_it_until_it_is_continued() -> None:
    code = (
        "import os, threading; from event_runtime import failpoints; failpoints.arm(os.environ)\n"
        "def work(): failpoints.failpoint('here'); os.write(1, b'went on')\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
    )
    environment = {"FAILPOINTS_ENABLED": "1", "FAILPOINTS": "here=pause"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) as program:
        _, status = os.waitpid(program.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert program.stdout is not None
        os.set_blocking(program.stdout.fileno(), False)
        assert not program.stdout.read()
        os.set_blocking(program.stdout.fileno(), True)
        program.send_signal(signal.SIGCONT)
        assert program.stdout.read() == b"went on"
