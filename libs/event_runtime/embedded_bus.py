"""librdkafka's mock cluster as a server that a program brings along.

It speaks the real protocol but keeps no promise about transactions, compaction or durability, and only about 5 MB a
partition. It listens on 127.0.0.1 only and ends with the process that started it, even when that is killed.
"""

import json
import subprocess
import sys
from types import TracebackType
from typing import Self

from event_runtime.faults import ServerUnavailable

_END_LIMIT_S = 30.0


class EmbeddedBus:
    """A librdkafka mock cluster with one broker in a process of its own, in use as a context manager.

    Topics come into being when first used, with 4 partitions; `create_topic` makes one with another number.
    At-least-once only.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._process: subprocess.Popen[str] | None = None
        self._bootstrap = ""

    def __enter__(self) -> Self:
        """Start the cluster."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the cluster; what it held is gone."""
        self.stop()

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients' `bootstrap.servers`."""
        return self._bootstrap

    def start(self) -> None:
        """Start the cluster. Raises ServerUnavailable."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "event_runtime.mock_cluster"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._bootstrap = self._answer()["bootstrap"]

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a topic. Raises ServerUnavailable, also when it is there already with another number of partitions."""
        self._request(create_topic=name, partitions=partitions)

    def stop(self) -> None:
        """Stop the cluster."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()  # which it takes as the end, as when we die
        self._process.wait()
        self._process = None

    def _request(self, **request: str | int) -> None:
        if self._process is None or self._process.stdin is None:
            message = "the embedded bus is not running"
            raise ServerUnavailable(message)
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> dict[str, str]:
        if self._process is None or self._process.stdout is None:
            message = "the embedded bus is not running"
            raise ServerUnavailable(message)
        line = self._process.stdout.readline()
        answer: dict[str, str] = (
            json.loads(line) if line else {"error": f"its process ended with status {self._process.wait(_END_LIMIT_S)}"}
        )
        if "error" in answer:
            message = f"the embedded bus failed: {answer['error']}"
            raise ServerUnavailable(message)
        return answer
