"""Writing records, their keys and their counters: set-based, one worker after the other on each customer."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress

import numpy as np
from sqlalchemy import Connection

from customer_identity.former_keys import former_keys
from customer_identity.matching.index import Entry
from customer_identity.normalise.record import NORMALISER_VERSION, NormalisedRecord
from dedupe_detector.adapters.postgres_index import HotKeys, PostgresIndex, comparable_of, entries_of_rows
from event_runtime.columns import longs, texts
from event_runtime.database import execute
from frozen_values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A customer as one event has it; `record` None: erased, for good."""

    tenant_id: str
    customer_id: str
    version: int
    source: str
    record: NormalisedRecord | None


# A new customer takes its row at once; who comes second, with whatever version, waits here and finds the row.
_INSERT = """
    INSERT INTO detector.records (tenant_id, customer_id, version, source, comparable, normaliser, erased)
    SELECT tenant_id, customer_id, version, source, comparable, %(normaliser)s, comparable IS NULL
    FROM unnest(%(tenants)s::text[], %(ids)s::text[], %(versions)s::bigint[], %(sources)s::text[],
        %(comparables)s::text[]) AS t (tenant_id, customer_id, version, source, comparable)
    ORDER BY tenant_id, customer_id
    ON CONFLICT DO NOTHING
    RETURNING number, tenant_id, customer_id
"""
_LOCK = """
    SELECT r.number, r.tenant_id, r.customer_id, r.version, r.source, r.comparable, r.erased, r.normaliser
    FROM detector.records r
    JOIN unnest(%(tenants)s::text[], %(ids)s::text[]) AS wanted (tenant_id, customer_id)
        USING (tenant_id, customer_id)
    ORDER BY r.tenant_id, r.customer_id FOR UPDATE OF r
"""
_UPDATE = """
    UPDATE detector.records r SET version = greatest(r.version, t.version), source = t.source,
        comparable = t.comparable, normaliser = %(normaliser)s, erased = t.comparable IS NULL,
        indexed_at = clock_timestamp()
    FROM unnest(%(numbers)s::bigint[], %(versions)s::bigint[], %(sources)s::text[], %(comparables)s::text[])
        AS t (number, version, source, comparable)
    WHERE r.number = t.number
"""
# Nobody else writes the postings of a record whose row is held, so that none of these is there already.
_POST = """
    INSERT INTO detector.postings (code, number)
    SELECT code, number FROM unnest(%(codes)s::bigint[], %(numbers)s::bigint[]) AS t (code, number)
"""
# The keys that an older normaliser left: which of them are there, nobody knows.
_POST_AGAIN = f"{_POST} ON CONFLICT DO NOTHING"
_UNPOST = """
    DELETE FROM detector.postings p
    USING unnest(%(codes)s::bigint[], %(numbers)s::bigint[]) AS t (code, number)
    WHERE p.code = t.code AND p.number = t.number
"""
# What nobody holds any more is a hash of somebody's value, and to be shared it takes two.
_UNCONTEST = """
    DELETE FROM detector.contested c WHERE c.code = ANY(%(codes)s::bigint[])
        AND NOT EXISTS (SELECT FROM detector.postings p WHERE p.code = c.code)
"""


# before, after (None: not in the index), and whether an older normaliser made the keys before
_Change = tuple[Entry | None, Entry | None, bool]


def store(connection: Connection, versions: Iterable[Version], hot: HotKeys | None = None) -> None:
    """Applies the newest version of each customer; older ones, and anything after an erasure, change nothing.

    Keys in `hot` have more holders in the index than anybody reads, and get no more.
    """
    newest: dict[tuple[str, str], Version] = {}
    for version in versions:
        held = newest.get((version.tenant_id, version.customer_id))
        if held is None or _replaces(version, held.version, erased=held.record is None):
            newest[version.tenant_id, version.customer_id] = version
    if not newest:
        return
    fresh = [newest[key] for key in sorted(newest)]
    inserted = {(tenant, one): number for number, tenant, one in execute(connection, _INSERT, _columns(fresh))}
    changes: list[_Change] = [(None, _entry(number, newest[key]), False) for key, number in inserted.items()]
    rest = [version for version in fresh if (version.tenant_id, version.customer_id) not in inserted]
    if rest:
        changes += _update(connection, rest)
    _reindex(connection, changes, hot or HotKeys())


def lock(connection: Connection, customers: Iterable[tuple[str, str]]) -> None:
    """Waits for everybody who holds these (tenant, customer id)s, and has all others wait for this transaction."""
    wanted = sorted(customers)
    if wanted:
        columns = {"tenants": texts([tenant for tenant, _ in wanted]), "ids": texts([one for _, one in wanted])}
        execute(connection, _LOCK, columns)


def _update(connection: Connection, versions: Sequence[Version]) -> list[_Change]:
    columns = _columns(versions)
    held = execute(connection, _LOCK, {"tenants": columns["tenants"], "ids": columns["ids"]}).fetchall()
    by_id = {(v.tenant_id, v.customer_id): v for v in versions}
    numbers: list[int] = []
    applied: list[Version] = []
    changes: list[_Change] = []
    before = iter(entries_of_rows([row for row in held if row[5] is not None]))
    for number, tenant, customer, held_version, _, comparable, erased, normaliser in held:
        version = by_id[tenant, customer]
        entry = None if comparable is None else next(before)
        outdated = normaliser < NORMALISER_VERSION
        if _replaces(version, held_version, erased=erased, outdated=outdated):
            numbers.append(number)
            applied.append(version)
            changes.append((entry, _entry(number, version), outdated))
    if applied:
        execute(connection, _UPDATE, {**_columns(applied), "numbers": longs(numbers)})
    return changes


def _replaces(version: Version, held: int, *, erased: bool, outdated: bool = False) -> bool:
    """Newer wins, and so does what an older normaliser read; an erasure wins over any version and is final."""
    return not erased and (version.record is None or version.version > held or (outdated and version.version == held))


def _reindex(connection: Connection, changes: Sequence[_Change], hot: HotKeys) -> None:
    """Keys and counters follow the records; counters last, since many workers wait for the same ones."""
    gone, new, again = _Rows(), _Rows(), _Rows()
    counters: Counter[int] = Counter()
    for before, after, outdated in changes:
        old, now = ([] if entry is None else entry.blocking_keys().codes for entry in (before, after))
        if after is not None:
            counters.update(after.counters())
            if outdated:
                again.add(now, after.number)
            else:
                new.add([code for code in now if code not in old] if old else now, after.number)
        if before is not None:
            counters.subtract(before.counters())
            former = former_keys(before.tenant_id, before.record) if outdated else ()
            gone.add([code for code in {*old, *former} if code not in now], before.number)
    if gone.codes:
        execute(connection, _UNPOST, gone.parameters())
        execute(connection, _UNCONTEST, {"codes": longs(sorted(set(gone.codes)))})
    for statement, rows in ((_POST, new), (_POST_AGAIN, again)):
        kept = rows.without(hot.among(rows.codes))
        if kept.codes:
            execute(connection, statement, kept.parameters())
    PostgresIndex(connection).add_counts(counters)


class _Rows:
    """Rows of postings."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.numbers: list[int] = []

    def add(self, codes: Sequence[int], number: int) -> None:
        """The keys of one record."""
        self.codes += codes
        self.numbers += [number] * len(codes)

    def without(self, codes: set[int]) -> "_Rows":
        """The rows of other keys."""
        out = _Rows()
        kept = [code not in codes for code in self.codes]
        out.codes, out.numbers = list(compress(self.codes, kept)), list(compress(self.numbers, kept))
        return out

    def parameters(self) -> dict[str, object]:
        """In the order of the index: neighbours go to one page."""
        order = np.argsort(np.array(self.codes, np.int64), kind="stable")
        codes, numbers = (np.array(column, np.int64)[order].tolist() for column in (self.codes, self.numbers))
        return {"codes": longs(codes), "numbers": longs(numbers)}


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
        "tenants": texts([v.tenant_id for v in versions]),
        "ids": texts([v.customer_id for v in versions]),
        "versions": longs([v.version for v in versions]),
        "sources": texts([v.source for v in versions]),
        "comparables": texts([None if v.record is None else comparable_of(v.record) for v in versions]),
        "normaliser": NORMALISER_VERSION,
    }
