"""Apache Kafka in a container, until this process is told to end: `python broker_container.py PORT`."""

import signal
import sys

from testcontainers.core.container import DockerContainer

_IMAGE = "apache/kafka:4.1.0"


def main() -> int:
    """Start the container with its port published as `PORT` on 127.0.0.1, wait for a signal, stop it."""
    from rig.broker import BROKER_SETTINGS  # below the path that the main block sets

    port = int(sys.argv[1])
    published = ("127.0.0.1", port)
    container = DockerContainer(_IMAGE).with_bind_ports(9092, published)  # type: ignore[arg-type] # docker takes pairs
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        **BROKER_SETTINGS,
    }
    for name, value in settings.items():
        container = container.with_env("KAFKA_" + name.replace(".", "_").upper(), value)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with container:  # a reaper container removes it when this process is killed
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[0].rpartition("/rig/")[0])
    sys.exit(main())
