"""/metrics, /livez and /readyz on one port, and what else a service answers there."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from event_runtime.faults import Fault, describe
from event_runtime.health import Health
from event_runtime.settings import HttpSettings

# A client that connects and says nothing.
_CLIENT_TIMEOUT_S = 10.0


class PortOccupied(Fault):
    """The HTTP port cannot be listened on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What is said to a GET: a status, a JSON document, further headers."""

    status: HTTPStatus
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


Responder = Callable[[tuple[str, ...]], HttpAnswer | None]
"""Answers the rest of a path, its parts unquoted; None when there is no such thing."""


Guard = Callable[[str | None, tuple[str, ...]], HttpAnswer | None]
"""What is said to a request with this Authorization header for the rest of a path; None: it may have an answer."""


class HttpEndpoints:
    """The endpoints, served in threads while the context lasts. Entering raises PortOccupied.

    `responders` answer what a service has beside its own health, by the first part of the path; `guards`, by the same,
    say who is answered.
    """

    def __init__(
        self,
        settings: HttpSettings,
        health: Health,
        registry: CollectorRegistry,
        responders: Mapping[str, Responder] | None = None,
        *,
        guards: Mapping[str, Guard] | None = None,
    ) -> None:
        self._settings = settings
        content = {
            "health": health,
            "registry": registry,
            "responders": dict(responders or {}),
            "guards": dict(guards or {}),
        }
        self._handler = type("_Handler", (_Handler,), content)

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._server.server_port

    def __enter__(self) -> Self:
        """Listen."""
        address = (self._settings.host, self._settings.port)
        try:
            self._server = ThreadingHTTPServer(address, self._handler)
        except OSError as fault:
            where = f"{self._settings.host}:{self._settings.port}"
            reason = fault.strerror or type(fault).__name__
            raise PortOccupied(f"cannot listen on {where} (HTTP__HOST, HTTP__PORT): {reason}") from fault
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    health: Health
    registry: CollectorRegistry
    responders: Mapping[str, Responder]
    guards: Mapping[str, Guard]
    timeout = _CLIENT_TIMEOUT_S
    server_version = "customer-merge"
    sys_version = ""

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._send(HTTPStatus.OK, content_type, encode(self.registry))
            case "/livez":
                loops = [asdict(loop) for loop in self.health.loops()]
                self._send_json(ok=self.health.is_alive(), body={"loops": loops})
            case "/readyz":
                reasons = self.health.unready_because()
                self._send_json(ok=not reasons, body={"waiting_for": reasons})
            case path:
                self._respond(path)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a probe every few seconds is no event."""

    def _respond(self, path: str) -> None:
        first, *rest = (unquote(part) for part in path.removeprefix("/").split("/"))
        responder, guard = self.responders.get(first), self.guards.get(first)
        try:
            answer = None if guard is None else guard(self.headers.get("Authorization"), tuple(rest))
            if answer is None and responder is not None:
                answer = responder(tuple(rest))
        except Exception as fault:  # noqa: BLE001 - the caller gets one line; a server that is away is no reason to fall silent
            answer = HttpAnswer(status=HTTPStatus.SERVICE_UNAVAILABLE, body={"error": describe(fault)})
        if answer is None:
            known = " ".join(["/metrics", "/livez", "/readyz", *(f"/{name}" for name in self.responders)])
            self._send(HTTPStatus.NOT_FOUND, "text/plain", f"{known}\n".encode())
        else:
            body = json.dumps(answer.body, default=str).encode() + b"\n"
            self._send(answer.status, "application/json", body, answer.headers)

    def _send_json(self, *, ok: bool, body: dict[str, Any]) -> None:
        status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
        answer = {"status": "ok" if ok else "unavailable", **body}
        self._send(status, "application/json", json.dumps(answer).encode() + b"\n")

    def _send(
        self, status: HTTPStatus, content_type: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
