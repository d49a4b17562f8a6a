"""The index of records in PostgreSQL: what the matcher asks, each in one statement a batch.

Numbers come back packed, as one value: a row for each of some thousand numbers would cost more than finding them.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from customer_identity.matching.index import Entry, Longs, Postings
from customer_identity.normalise.record import NormalisedRecord
from event_runtime.columns import longs, texts
from event_runtime.database import execute

_ENTRIES = """
    SELECT number, tenant_id, customer_id, version, source, comparable FROM detector.records
    WHERE number = ANY(%(numbers)s::bigint[]) AND comparable IS NOT NULL
"""
_ENTRIES_BY_ID = """
    SELECT r.number, r.tenant_id, r.customer_id, r.version, r.source, r.comparable
    FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS wanted (tenant_id, customer_id)
    JOIN detector.records r USING (tenant_id, customer_id)
    WHERE r.comparable IS NOT NULL ORDER BY r.number
"""
# In the order in which `record_tables` locks them to store new versions, so that the two wait and do not deadlock.
_HOLD = """
    SELECT r.number, r.tenant_id, r.customer_id, r.version, r.source, r.comparable
    FROM detector.records r
    JOIN unnest(%(tenants)s::text[], %(ids)s::text[]) AS wanted (tenant_id, customer_id)
        USING (tenant_id, customer_id)
    WHERE r.comparable IS NOT NULL ORDER BY r.tenant_id, r.customer_id FOR SHARE OF r
"""
# A key's postings are read no further than shows that it is too common.
_POSTINGS = """
    SELECT string_agg(int8send(k.at), ''), string_agg(int8send(p.number), '')
    FROM unnest(%(codes)s::bigint[], %(caps)s::bigint[]) WITH ORDINALITY AS k (code, cap, at)
    CROSS JOIN LATERAL (SELECT number FROM detector.postings WHERE code = k.code LIMIT k.cap + 2) AS p
"""
_COUNTS = """
    SELECT string_agg(int8send(code), ''), string_agg(int8send(held), '')
    FROM detector.counters WHERE code = ANY(%(codes)s::bigint[])
"""
_CONTESTED = "SELECT code FROM detector.contested WHERE code = ANY(%(codes)s::bigint[])"
_CONTEST = """
    INSERT INTO detector.contested (code) SELECT code FROM unnest(%(codes)s::bigint[]) AS t (code) ORDER BY code
    ON CONFLICT DO NOTHING
"""
_ADD_COUNTS = """
    INSERT INTO detector.counters AS c (code, held)
    SELECT code, more FROM unnest(%(codes)s::bigint[], %(more)s::bigint[]) AS t (code, more) ORDER BY code
    ON CONFLICT (code) DO UPDATE SET held = c.held + excluded.held
"""
_DROP_COUNTS = "DELETE FROM detector.counters WHERE code = ANY(%(codes)s::bigint[]) AND held <= 0"

_VALUES: Final = len(NormalisedRecord._fields)
# json.dumps would make an encoder for each
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class HotKeys:
    """Keys that were seen to be too common, so that they need not be read again and again.

    Holders are hardly ever taken away; what is remembered is forgotten after some minutes all the same.
    """

    _KEPT_S: Final = 300.0
    _MOST: Final = 200_000

    def __init__(self) -> None:
        self._codes: set[int] = set()
        self._since_s = time.monotonic()

    def among(self, codes: Iterable[int]) -> set[int]:
        """Those of the keys that are remembered."""
        if time.monotonic() > self._since_s + self._KEPT_S or len(self._codes) > self._MOST:
            self._codes.clear()
            self._since_s = time.monotonic()
        return self._codes.intersection(codes)

    def add(self, codes: Iterable[int]) -> None:
        """Remembers keys."""
        self._codes.update(codes)


class PostgresIndex:
    """The matcher's index (customer_identity.matching.index.Index) over one open connection."""

    def __init__(self, connection: Connection, hot: HotKeys | None = None) -> None:
        """Keys in `hot` are not looked up."""
        self._connection = connection
        self._hot = hot or HotKeys()

    def postings(self, codes: Sequence[int], caps: Sequence[int]) -> Postings:
        """See Index. For a key known to be too common the answer is made up: record 0, as often as shows it."""
        hot = self._hot.among(codes)
        asked = [
            (place, code, cap) for place, (code, cap) in enumerate(zip(codes, caps, strict=True)) if code not in hot
        ]
        if not asked:
            return _with_hot(Postings(np.zeros(0, np.intp), np.zeros(0, np.int64)), codes, caps, hot)
        places, asked_codes, asked_caps = (list(column) for column in zip(*asked, strict=True))
        (row,) = execute(self._connection, _POSTINGS, {"codes": longs(asked_codes), "caps": longs(asked_caps)})
        nth, numbers = _unpacked(row[0]) - 1, _unpacked(row[1])
        order = np.argsort(nth, kind="stable")
        nth, numbers = nth[order], numbers[order]
        lengths = np.bincount(nth, minlength=len(asked))
        too_common = np.flatnonzero(lengths > np.asarray(asked_caps) + 1).tolist()
        self._hot.add(asked_codes[at] for at in too_common)
        return _with_hot(Postings(np.asarray(places, np.intp)[nth], numbers), codes, caps, hot)

    def entries(self, numbers: Sequence[int]) -> "StoredEntries":
        """See Index."""
        found = execute(self._connection, _ENTRIES, {"numbers": longs(numbers)}).fetchall() if numbers else []
        return StoredEntries(found)

    def entries_of(self, customers: Iterable[tuple[str, str]]) -> list[Entry]:
        """The indexed records of (tenant, customer id)s, by number; unknown and erased ones are left out."""
        wanted = sorted(set(customers))
        return entries_of_rows(self._rows(_ENTRIES_BY_ID, wanted))

    def hold(self, customers: Iterable[tuple[str, str]]) -> Mapping[int, Entry]:
        """The records of (tenant, customer id)s by number, as nobody else changes them before this transaction ends.

        They are the newest committed ones, whatever was read before; unknown and erased ones are left out.
        """
        wanted = sorted(set(customers))
        return {entry.number: entry for entry in entries_of_rows(self._rows(_HOLD, wanted))}

    def counts(self, codes: Sequence[int]) -> Longs:
        """See Index."""
        distinct, which = np.unique(np.asarray(codes, np.int64), return_inverse=True)
        held = np.zeros(len(distinct), np.int64)
        if len(distinct):
            (row,) = execute(self._connection, _COUNTS, {"codes": longs(distinct.tolist())})
            held[np.searchsorted(distinct, _unpacked(row[0]))] = _unpacked(row[1])
        return held[which]

    def contested(self, identifiers: Iterable[int]) -> set[int]:
        """See Index."""
        codes = sorted(identifiers)
        return {code for (code,) in execute(self._connection, _CONTESTED, {"codes": longs(codes)})} if codes else set()

    def contest(self, identifiers: Iterable[int]) -> None:
        """See Index."""
        if codes := sorted(identifiers):
            execute(self._connection, _CONTEST, {"codes": longs(codes)})

    def add_counts(self, more: Mapping[int, int]) -> None:
        """Adds to counters. Call it last: busy counters are rows that every worker of a tenant waits for.

        A counter that comes to nothing goes: it is a hash of somebody's value.
        """
        changed = sorted((code, amount) for code, amount in more.items() if amount)
        if changed:
            codes, amounts = (list(column) for column in zip(*changed, strict=True))
            execute(self._connection, _ADD_COUNTS, {"codes": longs(codes), "more": longs(amounts)})
        fewer = [code for code, amount in changed if amount < 0]
        if fewer:
            execute(self._connection, _DROP_COUNTS, {"codes": longs(fewer)})

    def _rows(self, statement: str, customers: Sequence[tuple[str, str]]) -> list[tuple[Any, ...]]:
        if not customers:
            return []
        tenants, ids = (list(column) for column in zip(*customers, strict=True))
        return execute(self._connection, statement, {"tenants": texts(tenants), "ids": texts(ids)}).fetchall()


class StoredEntries:
    """Entries (see customer_identity.matching.index) from rows of number, tenant, id, version, source, comparable, ….

    The values of all rows are one list, row by row.
    """

    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._values = _values([row[5] for row in rows])
        self.numbers: Longs = np.array([row[0] for row in rows], np.int64)
        self.customers = [(row[1], row[2]) for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Entry:
        number, tenant, customer, version, source, *_ = self._rows[place]
        record = NormalisedRecord._make(self._values[place * _VALUES : (place + 1) * _VALUES])
        return Entry(
            number=number, tenant_id=tenant, customer_id=customer, version=version, source=source, record=record
        )

    def column(self, at: int) -> list[str]:
        """See Entries."""
        return self._values[at::_VALUES]


def entries_of_rows(rows: Sequence[tuple[Any, ...]]) -> list[Entry]:
    """Entries from rows of number, tenant, customer id, version, source and comparable."""
    stored = StoredEntries(rows)
    return [stored[place] for place in range(len(rows))]


def comparable_of(record: NormalisedRecord) -> str:
    """A record as its row holds it."""
    return _encode(record)


def _values(comparables: Sequence[str]) -> list[str]:
    """The values of all rows. As one array they are read in a third of the time that a list for each would take."""
    values: list[str] = json.loads(f"[{','.join([one[1:-1] for one in comparables])}]")
    if len(values) == len(comparables) * _VALUES:
        return values
    # rows of an earlier normaliser have fewer
    return [value for one in comparables for value in NormalisedRecord(*json.loads(one))]


def _unpacked(packed: bytes | None) -> Longs:
    """The numbers of `string_agg(int8send(…))`; none of them: null."""
    return np.frombuffer(packed or b"", ">i8").astype(np.int64)


def _with_hot(found: Postings, codes: Sequence[int], caps: Sequence[int], hot: set[int]) -> Postings:
    if not hot:
        return found
    places = [place for place, code in enumerate(codes) if code in hot]
    made_up = np.repeat(places, [caps[place] + 2 for place in places])
    at = np.concatenate([found.at, made_up])
    order = np.argsort(at, kind="stable")
    return Postings(at[order], np.concatenate([found.numbers, np.zeros(len(made_up), np.int64)])[order])
