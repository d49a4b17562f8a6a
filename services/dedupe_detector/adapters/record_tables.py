"""Writing records, their keys and their counters: set-based, one worker after the other on each customer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from customer_identity.matching.index import Entry
from customer_identity.normalise.record import NORMALISER_VERSION, NormalisedRecord
from dedupe_detector.adapters.postgres_index import PostgresIndex, comparable_of, entry_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A customer as one event has it; `record` None: erased, for good."""

    tenant_id: str
    customer_id: str
    version: int
    source: str
    record: NormalisedRecord | None


# A new customer takes its row at once; who comes second, with whatever version, waits here and finds the row.
_INSERT = text("""
    INSERT INTO detector.records (tenant_id, customer_id, version, source, comparable, normaliser, erased)
    SELECT tenant_id, customer_id, version, source, comparable, :normaliser, comparable IS NULL
    FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[]), CAST(:versions AS bigint[]), CAST(:sources AS text[]),
        CAST(:comparables AS text[])) AS t (tenant_id, customer_id, version, source, comparable)
    ORDER BY tenant_id, customer_id
    ON CONFLICT DO NOTHING
    RETURNING number, tenant_id, customer_id
""")
_LOCK = text("""
    SELECT r.number, r.tenant_id, r.customer_id, r.version, r.source, r.comparable, r.erased
    FROM detector.records r
    JOIN unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, customer_id)
        USING (tenant_id, customer_id)
    ORDER BY r.tenant_id, r.customer_id FOR UPDATE OF r
""")
_UPDATE = text("""
    UPDATE detector.records r SET version = greatest(r.version, t.version), source = t.source,
        comparable = t.comparable, normaliser = :normaliser, erased = t.comparable IS NULL,
        indexed_at = clock_timestamp()
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:versions AS bigint[]), CAST(:sources AS text[]),
        CAST(:comparables AS text[])) AS t (number, version, source, comparable)
    WHERE r.number = t.number
""")
_POST = text("""
    INSERT INTO detector.postings (code, number)
    SELECT code, number FROM unnest(CAST(:codes AS bigint[]), CAST(:numbers AS bigint[])) AS t (code, number)
    ORDER BY code, number ON CONFLICT DO NOTHING
""")
_UNPOST = text("""
    DELETE FROM detector.postings p
    USING unnest(CAST(:codes AS bigint[]), CAST(:numbers AS bigint[])) AS t (code, number)
    WHERE p.code = t.code AND p.number = t.number
""")


_Change = tuple[Entry | None, Entry | None]  # before, after; None: not in the index


def store(connection: Connection, versions: Iterable[Version]) -> None:
    """Applies the newest version of each customer; older ones, and anything after an erasure, change nothing."""
    newest: dict[tuple[str, str], Version] = {}
    for version in versions:
        held = newest.get((version.tenant_id, version.customer_id))
        if held is None or _replaces(version, held.version, erased=held.record is None):
            newest[version.tenant_id, version.customer_id] = version
    if not newest:
        return
    fresh = [newest[key] for key in sorted(newest)]
    inserted = {(tenant, one): number for number, tenant, one in connection.execute(_INSERT, _columns(fresh))}
    changes: list[_Change] = [(None, _entry(number, newest[key])) for key, number in inserted.items()]
    rest = [version for version in fresh if (version.tenant_id, version.customer_id) not in inserted]
    if rest:
        changes += _update(connection, rest)
    _reindex(connection, changes)


def _update(connection: Connection, versions: Sequence[Version]) -> list[_Change]:
    held = connection.execute(
        _LOCK, {"tenants": [v.tenant_id for v in versions], "ids": [v.customer_id for v in versions]}
    ).all()
    by_id = {(v.tenant_id, v.customer_id): v for v in versions}
    numbers: list[int] = []
    applied: list[Version] = []
    changes: list[_Change] = []
    for row in held:
        version = by_id[row.tenant_id, row.customer_id]
        if not _replaces(version, row.version, erased=row.erased):
            continue
        before = None if row.comparable is None else entry_of(*row[:6])
        numbers.append(row.number)
        applied.append(version)
        changes.append((before, _entry(row.number, version)))
    if applied:
        connection.execute(_UPDATE, {**_columns(applied), "numbers": numbers})
    return changes


def _replaces(version: Version, held: int, *, erased: bool) -> bool:
    """Newer wins; an erasure wins over any version and is final."""
    return not erased and (version.record is None or version.version > held)


def _reindex(connection: Connection, changes: Sequence[_Change]) -> None:
    """Keys and counters follow the records; counters last, since many workers wait for the same ones."""
    gone: list[tuple[int, int]] = []
    new: list[tuple[int, int]] = []
    counters: dict[int, int] = {}
    for before, after in changes:
        old = _codes(before)
        now = _codes(after)
        gone += sorted(old - now)
        new += sorted(now - old)
        for entry, step in ((before, -1), (after, 1)):
            for code in entry.counters() if entry is not None else ():
                counters[code] = counters.get(code, 0) + step
    if gone:
        connection.execute(_UNPOST, {"codes": [code for code, _ in gone], "numbers": [number for _, number in gone]})
    if new:
        connection.execute(_POST, {"codes": [code for code, _ in new], "numbers": [number for _, number in new]})
    PostgresIndex(connection).add_counts(counters)


def _codes(entry: Entry | None) -> set[tuple[int, int]]:
    return set() if entry is None else {(key.code, entry.number) for key in entry.blocking_keys()}


def _entry(number: int, version: Version) -> Entry | None:
    if version.record is None:
        return None
    return Entry(
        number=number,
        tenant_id=version.tenant_id,
        customer_id=version.customer_id,
        version=version.version,
        source=version.source,
        record=version.record,
    )


def _columns(versions: Sequence[Version]) -> dict[str, object]:
    return {
        "tenants": [v.tenant_id for v in versions],
        "ids": [v.customer_id for v in versions],
        "versions": [v.version for v in versions],
        "sources": [v.source for v in versions],
        "comparables": [None if v.record is None else comparable_of(v.record) for v in versions],
        "normaliser": NORMALISER_VERSION,
    }
