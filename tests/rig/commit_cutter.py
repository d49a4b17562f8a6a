"""A TCP proxy in front of PostgreSQL that can lose the answer to a COMMIT: done, and the client never hears of it."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

import sqlalchemy

# Simple query (Q) or Parse (P) with this text: what the driver sends to commit.
_COMMIT = b"COMMIT"


class CommitCutter:
    """Forwards to the server of `url`; `.url` is the way through it. Each `cut_next()` loses one answer."""

    def __init__(self, url: str) -> None:
        server = sqlalchemy.make_url(url)
        self._server = (server.host or "127.0.0.1", server.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = server.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        self.cuts = 0
        self._armed = threading.Event()
        self._closed = threading.Event()
        self._ends: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()
        self._listener.close()

    def cut_next(self) -> None:
        """Lose the answer to the next COMMIT."""
        self._armed.set()

    def close(self) -> None:
        """Cut every connection and refuse new ones."""
        self._closed.set()
        for end in self._ends:
            _shut(end)
        self._ends.clear()

    def open(self) -> None:
        """Let connections through again."""
        self._closed.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._closed.is_set():
                client.close()
                continue
            server = socket.create_connection(self._server)
            self._ends += [client, server]
            cut = threading.Event()
            threading.Thread(target=self._ask, args=(client, server, cut), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client, cut), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        while data := _received(client):
            if _COMMIT in data and self._armed.is_set():
                self._armed.clear()
                cut.set()
            _send(server, data)
        _shut(server)

    def _answer(self, server: socket.socket, client: socket.socket, cut: threading.Event) -> None:
        while data := _received(server):
            if cut.is_set():
                self.cuts += 1  # the server has answered, so it has committed; nobody will know
                break
            _send(client, data)
        _shut(client)
        _shut(server)


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(65_536)
    except OSError:
        return b""


def _send(end: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        end.sendall(data)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
