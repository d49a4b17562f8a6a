"""What a service gives the pipeline: a handler for each topic it reads."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Connection

from event_runtime.drafts import Draft
from event_runtime.records import Received
from event_runtime.retry import FaultClass


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFault:
    """Why a record could not be processed even alone: the class, a reason fit for a log (no values), the fault."""

    fault_class: FaultClass
    reason: str
    sqlstate: str | None
    fault: Exception | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A handler's answer to a record that cannot be processed: events that tell of it; whether to quarantine it too."""

    drafts: Sequence[Draft] = ()
    quarantine: bool = False


class Handler(Protocol):
    """Acts on the events of the topics it is registered for."""

    def handle(self, connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        """Act on a batch inside the one open transaction; return the events that tell of it, in order.

        Everything the batch changes happens on `connection`, and nothing may commit or roll back on it. After it
        returns, the pipeline appends the drafts to the outbox, writes the positions and commits. A fault anywhere
        undoes all of it, and the batch (or each half of it) is handled again: keep no state of an unfinished
        transaction elsewhere. Records of one partition come in order.

        Sequenced drafts come before those made with `Publisher.draft_after` that name their place.
        """


class PreparingHandler(Handler, Protocol):
    """A handler with a step that must be visible to others before the batch is handled."""

    def prepare(self, connection: Connection, received: Sequence[Received]) -> None:
        """Called in a transaction of its own, committed before `handle`. It may run more than once for a record."""


class ChoosingHandler(Handler, Protocol):
    """A handler that wants only some of the events of its topics; the others are passed over without being decoded."""

    @property
    def event_types(self) -> Collection[str]:
        """The names of those events."""


class LockingHandler(Handler, Protocol):
    """A handler that takes locks for one record at a time, in an order that a batch would break.

    Two workers that each held what the other one waits for would stop each other.
    """

    @property
    def alone(self) -> Collection[str]:
        """The names of the events that are handled in a transaction of their own."""


class RefusingHandler(Handler, Protocol):
    """A handler that has an answer for a record that cannot be processed."""

    def refuse(self, connection: Connection, received: Received, fault: RefusedFault) -> Refusal | None:
        """The answer to a record whose own data makes the transaction fail even when it stands alone.

        Runs in a fresh transaction, like `handle`; the record counts as done afterwards. None: no answer; the record is
        quarantined, or, when `fault.fault_class` is CONTENTION (others hold what it needs), tried again later.
        """
