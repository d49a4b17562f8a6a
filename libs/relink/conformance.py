"""A conformance kit: run it in your own tests against your `Relinker` and your own database.

    def test_our_relinker_conforms(engine):
        relink.conformance.check_all(engine, OurSubject())

Every check plays one short history of merges and an unmerge (one of them ends in an erasure), delivered as a bus
delivers it on a bad day, and compares your rows and the alias table with those after the undisturbed history. A failed
check raises `NotConforming` and says which rows differ.
"""

import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from typing import Final, Protocol

from sqlalchemy import Connection, Engine, text

from customer_events import (
    CATALOGUE,
    CustomerMerged,
    CustomerUnmerged,
    IdentityErased,
    schemas_directory,
)
from event_runtime.codec import Codec, SchemaStore
from event_runtime.identifiers import quoted
from event_runtime.publisher import Publisher
from event_runtime.records import Received, Record
from relink.aliases import AliasTable
from relink.conformance_history import CANONICAL_AT_THE_END, TENANT, erasure, history, merge, unmerge
from relink.handler import RelinkHandler
from relink.redirection import Redirection, Relinker

OTHER_TENANT: Final = "conformance-other"
CUSTOMERS: Final = ("c1", "c2", "c3", "c4", "c5", "c6")


class NotConforming(AssertionError):  # noqa: N818 - a finding of a check, not an error of it
    """The relinker does not end in the state it should."""


class Subject(Protocol):
    """What the kit needs of you: your relinker, and a way to fill and read your tables."""

    @property
    def schema(self) -> str:
        """The schema that holds the tables of `relink_ddl_v1`."""
        ...

    def relinker(self) -> Relinker:
        """The relinker under test."""
        ...

    def fill(self, connection: Connection, tenant_id: str, customer_ids: Sequence[str]) -> None:
        """Give every customer at least one row of every kind you relink. The tables are empty."""
        ...

    def clear(self, connection: Connection) -> None:
        """Empty your tables."""
        ...

    def owners(self, connection: Connection, tenant_id: str) -> Mapping[str, str]:
        """For each row, under any key that stays the same, the customer id it belongs to now."""
        ...


_Event = CustomerMerged | CustomerUnmerged | IdentityErased
State = tuple[dict[str, str], dict[str, str], list[tuple[str, str, str, int]]]


def check_all(engine: Engine, subject: Subject) -> None:
    """Every check; raises NotConforming at the first that fails."""
    for check in (
        check_undisturbed,
        check_duplicates,
        check_replay,
        check_reordering,
        check_unmerge,
        check_repeated_apply,
        check_tenants,
        check_erasure,
    ):
        check(engine, subject)


def check_undisturbed(engine: Engine, subject: Subject) -> None:
    """The history in order: every row ends at the canonical id of the customer it was written for."""
    start = _started(engine, subject)
    end = _delivered(engine, subject, [[event] for event in history()])
    wanted = {row: CANONICAL_AT_THE_END.get(owner, owner) for row, owner in start[0].items()}
    _same(end[0], wanted, "after the history in order")


def check_duplicates(engine: Engine, subject: Subject) -> None:
    """Every event twice, in one batch and in two: nothing changes."""
    wanted = _wanted(engine, subject)
    events = history()
    doubled = [[event, event] for event in events]
    _same_state(_delivered(engine, subject, doubled), wanted, "when every batch holds its event twice")
    again = [[event] for event in events for _ in range(2)]
    _same_state(_delivered(engine, subject, again), wanted, "when every batch comes twice")


def check_replay(engine: Engine, subject: Subject) -> None:
    """From every point back to the start and through to the end."""
    wanted = _wanted(engine, subject)
    events = history()
    for length in range(1, len(events) + 1):
        batches = [[event] for event in (*events[:length], *events)]
        _same_state(_delivered(engine, subject, batches), wanted, f"replayed after {length} events")
    _same_state(_delivered(engine, subject, [events, events]), wanted, "replayed as one batch")


def check_reordering(engine: Engine, subject: Subject, *, orders: int = 24) -> None:
    """The events in `orders` other orders (always the same ones, the reverse among them)."""
    wanted = _wanted(engine, subject)
    events = history()
    others = list(permutations(events))[1:]
    chosen = [tuple(reversed(events)), *random.Random(7).sample(others, orders - 1)]  # noqa: S311 - no secret
    for order in chosen:
        named = "-".join(str(event.sequence) for event in order)
        _same_state(_delivered(engine, subject, [[event] for event in order]), wanted, f"in the order {named}")


def check_unmerge(engine: Engine, subject: Subject) -> None:
    """A merge and its unmerge: every row is back where it was."""
    start = _started(engine, subject)
    merged, unmerged = merge(1, {"c1": ("c2", 1)}), unmerge(2, {"c1": ("c1", 2)}, from_id="c2")
    end = _delivered(engine, subject, [[merged], [unmerged]])
    _same(end[0], start[0], "after a merge and its unmerge")


def check_repeated_apply(engine: Engine, subject: Subject) -> None:
    """`apply` with the same redirections once more changes and counts nothing."""
    _started(engine, subject)
    redirects = [Redirection(tenant_id=TENANT, customer_id="c1", canonical_id="c2", version=1, merge_id="m1")]
    with engine.begin() as connection:
        relinker = subject.relinker()
        first = relinker.apply(connection, redirects)
        owners = dict(subject.owners(connection, TENANT))
        second = relinker.apply(connection, redirects)
        _same(dict(subject.owners(connection, TENANT)), owners, "after the same redirections once more")
    if not any(first.values()):
        raise NotConforming("apply counted no row although every customer has rows")
    if any(second.values()):
        raise NotConforming(f"apply counted rows when nothing was left to do: {dict(second)}")


def check_tenants(engine: Engine, subject: Subject) -> None:
    """Another tenant's rows under the same customer ids stay where they are."""
    start = _started(engine, subject)
    end = _delivered(engine, subject, [[event] for event in history()])
    _same(end[1], start[1], "in a tenant of which nothing was merged")


def check_erasure(engine: Engine, subject: Subject) -> None:
    """An identity is erased, whatever comes after it: none of its aliases is left, and everybody else's are."""
    erased = {"c1", "c2"}
    wanted = [alias for alias in _wanted(engine, subject)[2] if alias[1] not in erased]
    events = history()
    last = erasure(len(events) + 1, canonical_id="c2", member_ids=("c1", "c2"))
    for place in (len(events), 0, 2):
        order = [*events[:place], last, *events[place:]]
        for batches in ([[event] for event in order], [[event] for event in order for _ in range(2)], [order]):
            end = _delivered(engine, subject, batches)
            if end[2] != wanted:
                raise NotConforming(f"erased after {place} of {len(events)} events: the alias table differs")
    start = _started(engine, subject)
    end = _delivered(engine, subject, [[*events, last]])
    _same(end[1], start[1], "in a tenant of which nobody was erased")


def _started(engine: Engine, subject: Subject) -> State:
    schema = quoted(subject.schema)
    with engine.begin() as connection:
        for table in ("aliases", "relink_erased", "relink_streams", "relink_gaps"):
            connection.execute(text(f"DELETE FROM {schema}.{table}"))
        subject.clear(connection)
        for tenant_id in (TENANT, OTHER_TENANT):
            subject.fill(connection, tenant_id, CUSTOMERS)
        state = _state(connection, subject)
    if set(state[0].values()) != set(CUSTOMERS):
        raise NotConforming(f"fill gave rows to {sorted(set(state[0].values()))}, wanted {list(CUSTOMERS)}")
    return state


def _delivered(engine: Engine, subject: Subject, batches: Iterable[Sequence[_Event]]) -> State:
    """The state after the batches, each in a transaction of its own, from a fresh start."""
    _started(engine, subject)
    codec = Codec(SchemaStore(schemas_directory()), CATALOGUE)
    publisher = Publisher(codec, CATALOGUE, source="conformance")
    handler = RelinkHandler(relinker=subject.relinker(), publisher=publisher, schema=subject.schema)
    for batch in batches:
        with engine.begin() as connection:
            handler.handle(connection, [_received(event) for event in batch])
    with engine.connect() as connection:
        return _state(connection, subject)


def _received(event: _Event) -> Received:
    record = Record(
        topic="customer-merged",
        partition=0,
        offset=event.sequence,
        key=b"0",
        value=b"",
        headers={},
        timestamp_ms=0,
    )
    return Received(record=record, event=event, event_id=str(uuid.uuid4()))


def _state(connection: Connection, subject: Subject) -> State:
    own, other = (dict(subject.owners(connection, tenant_id)) for tenant_id in (TENANT, OTHER_TENANT))
    return own, other, list(AliasTable(subject.schema).all(connection))


def _wanted(engine: Engine, subject: Subject) -> State:
    return _delivered(engine, subject, [[event] for event in history()])


def _same_state(state: State, wanted: State, when: str) -> None:
    _same(state[0], wanted[0], when)
    _same(state[1], wanted[1], f"{when}, another tenant")
    if state[2] != wanted[2]:
        raise NotConforming(f"{when}: the alias table differs")


def _same(owners: Mapping[str, str], wanted: Mapping[str, str], when: str) -> None:
    wrong = [
        f"{row} belongs to {owners.get(row)}, wanted {wanted.get(row)}"
        for row in sorted(owners.keys() | wanted.keys())
        if owners.get(row) != wanted.get(row)
    ]
    if wrong:
        raise NotConforming(f"{when}: " + "; ".join(wrong[:10]))
