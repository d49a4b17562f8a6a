"""Waits until every program of the system says that it is ready."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from customer_merge_demo.orchestration.processes import Processes
from event_runtime.faults import Fault

READY_LIMIT_S = 60.0
_LOOK_AGAIN_S = 0.1


class NotReady(Fault):
    """A program did not become ready."""


def wait_until_ready(processes: Processes, ports: Mapping[str, int]) -> None:
    """Back when every /readyz answers 200; notices at once when a process ends.

    Raises:
        ProcessEnded: a program ended by itself.
        NotReady: one still waits for something after READY_LIMIT_S.
    """
    waiting = dict(ports)
    until = time.monotonic() + READY_LIMIT_S
    said: dict[str, str] = {}
    while waiting:
        processes.require_all_alive()
        for name, port in list(waiting.items()):
            reason = _unready_because(port)
            if reason is None:
                del waiting[name]
            else:
                said[name] = reason
        if waiting and time.monotonic() > until:
            name = next(iter(waiting))
            raise NotReady(f"{name} is not ready after {READY_LIMIT_S:g} s: {said[name]}")
        time.sleep(_LOOK_AGAIN_S)


def _unready_because(port: int) -> str | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return None if answer.status == 200 else str(answer.status)
    except urllib.error.HTTPError as refused:
        return " ".join(refused.read().decode(errors="replace").split())[:300]
    except OSError as fault:
        return str(getattr(fault, "reason", fault))
