import hashlib
from datetime import UTC, datetime

from customer_events import (
    NO_HASH,
    CustomerMerged,
    IdentityErased,
    MergedLoser,
    Redirect,
    RowsState,
    StreamEvent,
    VersionedId,
)
from merge_worker.application.audit_streams import (
    Identity,
    Recorded,
    StreamAudit,
    StreamEnd,
    map_differences,
    map_faults,
)

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


def _merged(sequence: int, prev_hash: bytes, *redirects: tuple[str, str, int], stream: int = 3) -> CustomerMerged:
    return CustomerMerged(
        tenant_id="t",
        stream=stream,
        sequence=sequence,
        prev_hash=prev_hash,
        merge_id=f"m{sequence}",
        command_id=f"c{sequence}",
        winner=VersionedId(id=redirects[0][1], version=2),
        losers=(MergedLoser(id=redirects[0][0], version=2, disposition="LINK"),),
        redirects=tuple(
            Redirect(from_=from_id, direct_to=to, canonical=to, version=version) for from_id, to, version in redirects
        ),
        rows=RowsState.COMPLETE,
        actor="ann",
        reason="same",
        policy_version="1",
        merged_at=NOW,
    )


def _recorded(event: StreamEvent) -> Recorded:
    return Recorded(event=event, payload=repr((event.stream, event.sequence)).encode())


def _hash(event: StreamEvent) -> bytes:
    return hashlib.sha256(_recorded(event).payload).digest()


def _read(*events: StreamEvent, heads: dict[int, StreamEnd] | None = None) -> StreamAudit:
    far = StreamEnd(sequence=100, digest=NO_HASH)
    audit = StreamAudit(heads={3: far, 4: far} if heads is None else heads)
    audit.read(map(_recorded, events))
    return audit


def test_a_whole_history_has_no_problem_and_rebuilds_the_map() -> None:
    first = _merged(1, NO_HASH, ("a", "b", 1))
    second = _merged(2, _hash(first), ("b", "c", 1), ("a", "c", 2))
    audit = _read(first, second)
    assert audit.problems == []
    assert audit.identities == {
        ("t", "a"): Identity(canonical_id="c", version=2),
        ("t", "b"): Identity(canonical_id="c", version=1),
    }
    assert audit.ends[3].sequence == 2
    assert audit.ends[3].digest == _hash(second)


def test_a_missing_event_is_found() -> None:
    assert _read(_merged(2, NO_HASH, ("a", "b", 1))).problems == ["stream 3, event 2: follows event 0"]


def test_a_changed_event_is_found_by_the_one_after_it() -> None:
    audit = _read(_merged(1, NO_HASH, ("a", "b", 1)), _merged(2, bytes(31) + b"x", ("c", "d", 1)))
    assert audit.problems == ["stream 3, event 2: does not hold the hash of event 1"]


def test_a_second_copy_of_an_event_is_found() -> None:
    first = _merged(1, NO_HASH, ("a", "b", 1))
    assert _read(first, first).problems[0] == "stream 3, event 1: follows event 1"


def test_streams_are_numbered_each_on_its_own() -> None:
    assert _read(_merged(1, NO_HASH, ("a", "b", 1)), _merged(1, NO_HASH, ("c", "d", 1), stream=4)).problems == []


def test_erased_ids_leave_the_map() -> None:
    first = _merged(1, NO_HASH, ("a", "b", 1))
    erased = IdentityErased(
        tenant_id="t",
        stream=3,
        sequence=2,
        prev_hash=_hash(first),
        canonical_id="b",
        member_ids=("a", "b"),
        at=NOW,
    )
    assert _read(first, erased).identities == {}


def test_differences_name_the_id_and_both_answers() -> None:
    history = {("t", "a"): Identity(canonical_id="b", version=1)}
    database = {
        ("t", "a"): Identity(canonical_id="c", version=2),
        ("t", "z"): Identity(canonical_id="z", version=0),
    }
    assert list(map_differences(history, database)) == ["t:a: history says b (version 1), database c (version 2)"]


def test_a_chain_in_the_map_is_a_fault_and_a_root_is_none() -> None:
    chained = {
        ("t", "a"): Identity(canonical_id="b", version=1),
        ("t", "b"): Identity(canonical_id="c", version=1),
        ("t", "c"): Identity(canonical_id="c", version=0),
        ("u", "c"): Identity(canonical_id="d", version=1),
    }
    assert list(map_faults(chained)) == ["t:a: leads to b, which leads on"]


def test_events_after_the_heads_are_checked_and_kept_out_of_the_map() -> None:
    first = _merged(1, NO_HASH, ("a", "b", 1))
    second = _merged(2, _hash(first), ("c", "d", 1))
    audit = _read(first, second, heads={3: StreamEnd(sequence=1, digest=_hash(first))})
    assert audit.problems == []
    assert list(audit.identities) == [("t", "a")]
    assert audit.missing() == 0


def test_events_the_history_lacks_are_counted_and_a_fork_at_the_head_is_found() -> None:
    first = _merged(1, NO_HASH, ("a", "b", 1))
    assert _read(first, heads={3: StreamEnd(sequence=3, digest=NO_HASH)}).missing() == 2
    forked = _read(first, heads={3: StreamEnd(sequence=1, digest=bytes(31) + b"x")})
    assert forked.problems == ["stream 3, event 1: is not the event that the database holds"]


def test_an_event_of_a_stream_the_database_does_not_have_is_found() -> None:
    assert _read(_merged(1, NO_HASH, ("a", "b", 1)), heads={}).problems == [
        "stream 3, event 1: the database has no such stream"
    ]
