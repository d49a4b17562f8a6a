"""Every event, the topic it travels on, its key and its schema; and every topic."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from customer_events import candidates as found
from customer_events import commands as cmd
from customer_events import customers as cust
from customer_events import merged
from customer_events import outcomes as out
from customer_events.base import Event, StreamEvent
from customer_events.quarantine import QuarantinedRecord
from customer_events.relink import RelinkAcknowledged

AnyEvent = Event | StreamEvent
Cleanup = Literal["delete", "keep", "compact"]

DEFAULT_STREAMS: Final = 16
DEFAULT_PARTITIONS: Final = 8  # more consumers than this share nothing; a busy installation chooses its own number


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One kind of event. `key` and `subject` take an event of `model`; `topic` is the topic's default name."""

    name: str
    major: int
    topic: str
    model: type[AnyEvent]
    sequenced: bool
    key: Callable[[Any], str]
    subject: Callable[[Any], str]

    @property
    def schema_file(self) -> str:
        """The file of its current schema, such as `customer-created.v1.avsc`."""
        return f"{re.sub('(?<!^)(?=[A-Z])', '-', self.name).lower()}.v{self.major}.avsc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic under its default name. `keep` means no expiry. `key` says what its records' keys are made of."""

    name: str
    key: str
    cleanup: Cleanup
    partitions: int

    @property
    def configuration(self) -> Mapping[str, str]:
        """The broker's own words for `cleanup`."""
        match self.cleanup:
            case "compact":
                return {"cleanup.policy": "compact"}
            case "keep":
                return {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
            case "delete":
                return {"cleanup.policy": "delete"}


def event_type(event: AnyEvent) -> EventType:
    """The catalogue's entry for this event."""
    return CATALOGUE[type(event).__name__]


def schemas_directory() -> Path:
    """Where the Avro schemas are: inside an installed package, else in the source tree."""
    installed = Path(__file__).parent / "schemas"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "schemas"


def _of_tenant(name: str) -> Callable[[Any], str]:
    return lambda event: f"{event.tenant_id}:{getattr(event, name)}"


def _named(name: str) -> Callable[[Any], str]:
    return lambda event: str(getattr(event, name))


def _merge_key(event: cmd.MergeCustomers | cmd.RecommendMerge) -> str:
    return f"{event.tenant_id}:{event.winner_id or event.loser_ids[0]}"


def _remove_key(event: cmd.RemoveMerge) -> str:
    return f"{event.tenant_id}:{event.customer_id or event.request_id or event.command_id}"


def _unmerge_key(event: cmd.UnmergeCustomers) -> str:
    return f"{event.tenant_id}:{event.loser_ids[0] if event.loser_ids else event.merge_id}"


def _not_duplicate_key(event: cmd.MarkNotDuplicate) -> str:
    return f"{event.tenant_id}:{min(event.customer_ids)}"


def _place_read(event: QuarantinedRecord) -> str:
    return f"{event.source.topic}/{event.source.partition}/{event.source.offset}"


def _entries() -> dict[str, EventType]:
    entries: dict[str, EventType] = {}

    def add(topic: str, model: type[AnyEvent], key: Callable[[Any], str], subject: Callable[[Any], str]) -> None:
        entries[model.__name__] = EventType(
            name=model.__name__,
            major=1,
            topic=topic,
            model=model,
            sequenced=issubclass(model, StreamEvent),
            key=key,
            subject=subject,
        )

    for customer_event in (cust.CustomerCreated, cust.CustomerUpdated, cust.CustomerErased):
        add("customer-created", customer_event, _of_tenant("customer_id"), _named("customer_id"))
    for candidate in (found.MergeCandidateFound, found.MergeCandidateWithdrawn):
        add("merge-candidate", candidate, _of_tenant("candidate_id"), _named("candidate_id"))
    command_keys: dict[type[Event], Callable[[Any], str]] = {
        cmd.MergeCustomers: _merge_key,
        cmd.RecommendMerge: _merge_key,
        cmd.RemoveMerge: _remove_key,
        cmd.UnmergeCustomers: _unmerge_key,
        cmd.MarkNotDuplicate: _not_duplicate_key,
        cmd.ConvertCustomer: _of_tenant("customer_id"),
    }
    for command, key in command_keys.items():
        add("merge-command", command, key, _named("command_id"))
    for outcome in (*TERMINAL_OUTCOMES, *NOTICES):
        add("merge-outcome", outcome, _of_tenant("command_id"), _named("command_id"))
    stream_subjects: dict[type[StreamEvent], str] = {
        merged.CustomerMerged: "merge_id",
        merged.RowsMoved: "merge_id",
        merged.CustomerUnmerged: "merge_id",
        merged.CustomerConverted: "customer_id",
        merged.IdentityErased: "canonical_id",
    }
    for stream_event, subject in stream_subjects.items():
        add("customer-merged", stream_event, _named("stream"), _named(subject))
    add("customer-alias", merged.CustomerAlias, _of_tenant("retired_id"), _named("retired_id"))
    add("relink-ack", RelinkAcknowledged, _of_tenant("system"), _named("merge_id"))
    add("merge-quarantine", QuarantinedRecord, _place_read, _place_read)
    return entries


TERMINAL_OUTCOMES: Final[tuple[type[Event], ...]] = (
    out.MergeCompleted,
    out.MergeRejected,
    out.MergeRemoved,
    out.MergeNoop,
)
"""Every accepted command ends in exactly one of these."""

NOTICES: Final[tuple[type[Event], ...]] = (out.MergeRecommended, out.MergeDeferred, out.MergeProgressed)

CATALOGUE: Final[Mapping[str, EventType]] = MappingProxyType(_entries())
"""Every event type by its name."""

TOPICS: Final[Mapping[str, Topic]] = MappingProxyType(
    {
        topic.name: topic
        for topic in (
            Topic(name="customer-created", key="tenant:customer", cleanup="delete", partitions=DEFAULT_PARTITIONS),
            Topic(
                name="merge-candidate",
                key="tenant:candidate (one pair always has the same candidate)",
                cleanup="delete",
                partitions=DEFAULT_PARTITIONS,
            ),
            Topic(
                name="merge-command",
                key="tenant:(winner, else first loser, else merge)",
                cleanup="delete",
                partitions=DEFAULT_PARTITIONS,
            ),
            Topic(name="merge-outcome", key="tenant:command", cleanup="delete", partitions=DEFAULT_PARTITIONS),
            Topic(
                name="customer-merged",
                key="number of the stream, which is the partition",
                cleanup="keep",
                partitions=DEFAULT_STREAMS,
            ),
            Topic(name="customer-alias", key="tenant:retired id", cleanup="compact", partitions=DEFAULT_PARTITIONS),
            Topic(name="relink-ack", key="tenant:system", cleanup="delete", partitions=DEFAULT_PARTITIONS),
            Topic(
                name="merge-quarantine", key="topic/partition/offset it was read from", cleanup="delete", partitions=1
            ),
        )
    }
)
"""Every topic by its default name. The partitions of customer-merged are its streams, and fixed for good."""
