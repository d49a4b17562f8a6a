"""Whether the published history is whole, and tells the same as the database.

Every stream is numbered 1..n, each event holds the hash of the one before it, and the redirects,
applied in order, rebuild the identity map.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from customer_events import (
    NO_HASH,
    CustomerConverted,
    CustomerMerged,
    CustomerUnmerged,
    IdentityErased,
    Redirect,
    StreamEvent,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One event of customer-merged: its place and the Avro payload without the wire's framing."""

    event: StreamEvent
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Where an id leads, and the version of that answer."""

    canonical_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """The last event of a stream: its number and its hash."""

    sequence: int
    digest: bytes


IdentityMap = Mapping[tuple[str, str], Identity]


@dataclass(slots=True)
class StreamAudit:
    """Reads a history once. `ends` is where each stream stands, `problems` what is wrong, in the order met.

    `heads` is where the database's streams stood when its identity map was read: events after them
    are checked, and kept out of the map that is rebuilt. A `partial` history may begin anywhere; only a
    `whole` one can tell the map.
    """

    heads: Mapping[int, StreamEnd]
    partial: bool = False
    whole: bool = True
    ends: dict[int, StreamEnd] = field(default_factory=dict)
    identities: dict[tuple[str, str], Identity] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    events: int = 0

    def read(self, history: Iterable[Recorded]) -> None:
        """Check each event against the one before it and apply its redirects."""
        for recorded in history:
            self._check_place(recorded)
            head = self.heads.get(recorded.event.stream)
            if head is not None and recorded.event.sequence <= head.sequence:
                self._apply(recorded.event)
            self.events += 1

    def missing(self) -> int:
        """Return how many events of the database the history does not have at its end (yet)."""
        return sum(max(0, head.sequence - self._end(stream).sequence) for stream, head in self.heads.items())

    def _check_place(self, recorded: Recorded) -> None:
        event = recorded.event
        if self.partial and event.stream not in self.ends and event.sequence > 1:
            self.whole = False
            self.ends[event.stream] = StreamEnd(sequence=event.sequence - 1, digest=event.prev_hash)
        last = self._end(event.stream)
        place = f"stream {event.stream}, event {event.sequence}"
        if event.sequence != last.sequence + 1:
            self.problems.append(f"{place}: follows event {last.sequence}")
        elif event.prev_hash != last.digest:
            self.problems.append(f"{place}: does not hold the hash of event {last.sequence}")
        digest = hashlib.sha256(recorded.payload).digest()
        self.ends[event.stream] = StreamEnd(sequence=event.sequence, digest=digest)
        head = self.heads.get(event.stream)
        if head is None:
            self.problems.append(f"{place}: the database has no such stream")
        elif head.sequence == event.sequence and head.digest != digest:
            self.problems.append(f"{place}: is not the event that the database holds")

    def _end(self, stream: int) -> StreamEnd:
        return self.ends.get(stream, StreamEnd(sequence=0, digest=NO_HASH))

    def _apply(self, event: StreamEvent) -> None:
        match event:
            case CustomerMerged() | CustomerUnmerged() | CustomerConverted():
                for redirect in event.redirects:
                    self._redirect(event, redirect)
            case IdentityErased():
                for member in event.member_ids:
                    self.identities.pop((event.tenant_id, member), None)

    def _redirect(self, event: StreamEvent, redirect: Redirect) -> None:
        key = (event.tenant_id, redirect.from_)
        held = self.identities.get(key)
        if held is not None and redirect.version <= held.version:
            self.problems.append(
                f"stream {event.stream}, event {event.sequence}: a redirect of version {redirect.version}"
                f" comes after version {held.version} of the same id"
            )
            return
        self.identities[key] = Identity(canonical_id=redirect.canonical, version=redirect.version)


def map_differences(replayed: IdentityMap, stored: IdentityMap) -> Iterator[str]:
    """Yield where the identity map rebuilt from the history differs from the one in the database.

    An id that leads to itself at version 0 was never changed, so the history need not know it.
    """
    for tenant_id, customer_id in sorted(replayed.keys() | stored.keys()):
        of_history = replayed.get((tenant_id, customer_id))
        of_database = stored.get((tenant_id, customer_id))
        if of_history == of_database or (of_history is None and _untouched(customer_id, of_database)):
            continue
        yield f"{tenant_id}:{customer_id}: history says {_said(of_history)}, database {_said(of_database)}"


def map_faults(identities: IdentityMap) -> Iterator[str]:
    """Yield each id whose answer is not final: a flat map leads to its end in one step."""
    for (tenant_id, customer_id), identity in identities.items():
        onward = identities.get((tenant_id, identity.canonical_id))
        if onward is not None and onward.canonical_id != identity.canonical_id:
            yield f"{tenant_id}:{customer_id}: leads to {identity.canonical_id}, which leads on"


def _untouched(customer_id: str, identity: Identity | None) -> bool:
    return identity is not None and identity.version == 0 and identity.canonical_id == customer_id


def _said(identity: Identity | None) -> str:
    return "nothing" if identity is None else f"{identity.canonical_id} (version {identity.version})"
