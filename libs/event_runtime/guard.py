"""Runs one server as a child and makes sure that it ends with the process it was started for.

Run as a program of its own (`python -I -S guard.py --watch PID ... -- COMMAND`); only the standard library is used, so
that it starts in a few milliseconds and costs few megabytes. The server is stopped when the watched process ends for
whatever reason, SIGKILL included, or when the guard itself is asked to (SIGTERM, SIGINT). Linux only: it waits on
pidfds.
"""

import argparse
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# linux/prctl.h
_PR_SET_PDEATHSIG = 1


def command(
    argv: list[str],
    *,
    watch: int,
    stop_signal: signal.Signals = signal.SIGTERM,
    last_signal: signal.Signals = signal.SIGKILL,
    grace_s: float = 10.0,
    user: str | None = None,
    remove: Path | None = None,
) -> list[str]:
    """The command line that runs `argv` under a guard for as long as the process `watch` lives.

    On the end the server gets `stop_signal`, after `grace_s` seconds `last_signal`, and then `remove` (a directory) is
    deleted.
    """
    guarded = [sys.executable, "-I", "-S", __file__, "--watch", str(watch)]
    guarded += [
        "--stop-signal",
        str(int(stop_signal)),
        "--last-signal",
        str(int(last_signal)),
        "--grace-s",
        str(grace_s),
    ]
    if user is not None:
        guarded += ["--user", user]
    if remove is not None:
        guarded += ["--remove", str(remove)]
    return [*guarded, "--", *argv]


def main() -> int:
    """Start the server, wait for its end or for the reason to end it; returns the server's exit status."""
    options = _parser().parse_args()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)  # what set_wakeup_fd asks for
    signal.set_wakeup_fd(wake_write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    try:
        try:
            watched = os.pidfd_open(options.watch)
        except ProcessLookupError:
            return 1  # ended before we began
        server = subprocess.Popen(  # noqa: S603 - runs what its caller asks for; this process has one thread
            options.argv,
            user=options.user,
            group=_group_of(options.user),
            extra_groups=None if options.user is None else [],
            start_new_session=True,
            preexec_fn=_die_with_parent(options),  # noqa: PLW1509 - this process has one thread
        )
        ready = select.poll()
        for descriptor in (watched, wake_read, os.pidfd_open(server.pid)):
            ready.register(descriptor, select.POLLIN)
        ready.poll()
        return _stop(server, options)
    finally:
        if options.remove is not None:
            shutil.rmtree(options.remove, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run a server for as long as another process lives.")
    parser.add_argument("--watch", type=int, required=True)
    parser.add_argument("--stop-signal", type=int, default=int(signal.SIGTERM))
    parser.add_argument("--last-signal", type=int, default=int(signal.SIGKILL))
    parser.add_argument("--grace-s", type=float, default=10.0)
    parser.add_argument("--user")
    parser.add_argument("--remove", type=Path)
    parser.add_argument("argv", nargs="+")
    return parser


def _group_of(user: str | None) -> int | None:
    if user is None:
        return None
    import pwd  # noqa: PLC0415 - only needed when privileges are dropped

    return pwd.getpwnam(user).pw_gid


def _die_with_parent(options: argparse.Namespace) -> Callable[[], None]:
    # Loaded before the fork. A guard that is itself killed with SIGKILL takes the server along this way.
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, options.last_signal, 0, 0, 0)


def _stop(server: subprocess.Popen[bytes], options: argparse.Namespace) -> int:
    for number in (options.stop_signal, options.last_signal, signal.SIGKILL):
        if server.poll() is not None:
            break
        server.send_signal(number)
        try:
            server.wait(options.grace_s)
        except subprocess.TimeoutExpired:
            continue
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
