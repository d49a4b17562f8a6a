"""The schema registry: which id a schema has there, and which schema an id means. TopicRecordNameStrategy.

An answer is kept for good: an id never changes its meaning. No answer is a pause, never the fault of a record.
"""

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from event_runtime.faults import ServerUnavailable

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient

_Answer = TypeVar("_Answer")

_NOT_FOUND: Final = 404
_CLIENT_SETTINGS: Final[Mapping[str, object]] = {"timeout": 10, "max.retries": 1}  # the pipeline waits and tries again


class RegistryUnavailable(ServerUnavailable):
    """The schema registry does not answer, or refuses us."""


class SchemaRegistry:
    """A client of one registry.

    `topics` gives the topic an event is published to by the event's name: subjects are `<topic>-<full record name>`.
    `settings` are passed to the client, such as `basic.auth.user.info` or `ssl.ca.location`.
    """

    def __init__(self, url: str, topics: Mapping[str, str], settings: Mapping[str, object] | None = None) -> None:
        self._configuration = {**_CLIENT_SETTINGS, **(settings or {}), "url": url}
        self._topics = topics
        self._ids: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._lock = threading.Lock()
        self._connected: SchemaRegistryClient | None = None

    def schema_id(self, event_name: str, full_name: str, text: str) -> int:
        """The id of this schema under the subject of its topic and record; registers it if it is new there.

        Raises:
            RegistryUnavailable: no answer, or the registry refuses the schema.
        """
        known = self._ids.get(event_name)
        if known is None:
            from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - 0.3 s of imports; many run without a registry

            subject = f"{self._topics[event_name]}-{full_name}"
            known = self._ask(lambda client: int(client.register_schema(subject, Schema(text, "AVRO"))))
            self._ids[event_name] = known
        return known

    def schema_text(self, schema_id: int) -> str | None:
        """The Avro schema with this id; None if the registry has none.

        Raises:
            RegistryUnavailable: no answer.
        """
        known = self._texts.get(schema_id)
        if known is None:
            known = self._ask(lambda client: _avro_text(client, schema_id))
            if known is not None:
                self._texts[schema_id] = known
        return known

    def _ask(self, question: "Callable[[SchemaRegistryClient], _Answer]") -> _Answer:
        with self._lock:
            try:
                if self._connected is None:
                    from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - as above

                    self._connected = SchemaRegistryClient(self._configuration)
                return question(self._connected)
            except Exception as error:
                # the client lets its HTTP library's exceptions through, and which library that is changes
                raise RegistryUnavailable(f"the schema registry does not answer: {type(error).__name__}") from error


def _avro_text(client: "SchemaRegistryClient", schema_id: int) -> str | None:
    from confluent_kafka.schema_registry import SchemaRegistryError  # noqa: PLC0415 - as above

    try:
        schema = client.get_schema(schema_id)
    except SchemaRegistryError as error:
        if error.http_status_code == _NOT_FOUND:
            return None
        raise
    return str(schema.schema_str) if schema.schema_type == "AVRO" else None
