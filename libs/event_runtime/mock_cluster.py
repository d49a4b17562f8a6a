"""The process of the embedded bus: librdkafka's mock cluster, driven by lines of JSON until its input closes.

confluent-kafka has no Python interface to the mock cluster; the C interface of the very library it ships is used
instead.
"""

import ctypes
import importlib
import json
import os
import sys
from pathlib import Path
from typing import TypedDict

_PRODUCER = 0  # rd_kafka_type_t
_ERROR_SIZE_BYTES = 512


class Request(TypedDict, total=False):
    """One line of input."""

    create_topic: str
    partitions: int


class MockCluster:
    """One broker without any guarantee, alive as long as this object."""

    def __init__(self) -> None:
        """Start it."""
        self._library = _library()
        error = ctypes.create_string_buffer(_ERROR_SIZE_BYTES)
        configuration = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"2", error, _ERROR_SIZE_BYTES)
        # A handle that never talks to any broker: it only carries the cluster.
        self._handle = self._library.rd_kafka_new(_PRODUCER, configuration, error, _ERROR_SIZE_BYTES)
        if not self._handle:
            raise OSError(error.value.decode())
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._handle, 1)
        if not self._cluster:
            message = "rd_kafka_mock_cluster_new failed"
            raise OSError(message)

    @property
    def bootstrap(self) -> str:
        """`host:port` of the broker."""
        bootstraps: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return bootstraps.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a topic. Raises OSError with librdkafka's reason."""
        code = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if code:
            reason: bytes = self._library.rd_kafka_err2str(code)
            raise OSError(reason.decode())


def main() -> int:
    """Print the bootstrap, then do what each line asks for until there are no more."""
    # The library's own stdout chatter would break the protocol.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    cluster = MockCluster()
    _say(out.fileno(), {"bootstrap": cluster.bootstrap})
    for line in sys.stdin:
        request: Request = json.loads(line)
        try:
            cluster.create_topic(request["create_topic"], request["partitions"])
        except OSError as refused:
            _say(out.fileno(), {"error": str(refused)})
        else:
            _say(out.fileno(), {})
    return 0


def _say(descriptor: int, answer: dict[str, str]) -> None:
    os.write(descriptor, (json.dumps(answer) + "\n").encode())


def _library() -> ctypes.CDLL:
    importlib.import_module("confluent_kafka")  # loads the library, which is then found among this process's maps
    paths = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "librdkafka" in line}
    library = ctypes.CDLL(paths.pop())
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_conf_set.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.rd_kafka_err2str.restype = ctypes.c_char_p
    return library


if __name__ == "__main__":
    sys.exit(main())
