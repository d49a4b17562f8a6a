"""What the matcher asks of an index of records, and an index in memory (the service has one in PostgreSQL)."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from customer_identity.blocking import RECENT_RECORDS, Keys, identifier_keys, key_code, keys_of
from customer_identity.comparison.fields import FIELDS
from customer_identity.normalise.record import NormalisedRecord
from frozen_values import dataclass

_TENANTS: Final = 1_024
_VALUE_SPACE: Final = 1000  # key families are below, value counters above: one hash space for both

Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An indexed record; `number` is the index's own name for it, rising with arrival."""

    number: int
    tenant_id: str
    customer_id: str
    version: int
    source: str
    record: NormalisedRecord

    def __repr__(self) -> str:
        """Ids only."""
        return f"Entry({self.number}, {self.tenant_id!r}, {self.customer_id!r})"

    def blocking_keys(self) -> Keys:
        """Blocking keys."""
        return keys_of(self.tenant_id, self.record)

    def identifiers(self) -> tuple[int, ...]:
        """Codes of e-mail address and phone number."""
        return identifier_keys(self.tenant_id, self.record)

    def value_codes(self) -> tuple[int, ...]:
        """Counters of its values by field; 0, which counts nothing, for absent ones."""
        return value_codes(self.tenant_id, self.record)

    def counters(self) -> tuple[int, ...]:
        """Everything this record is counted under: its tenant's records, its filled fields, its values."""
        held = self.value_codes()
        filled = filled_codes(self.tenant_id)
        return (
            records_code(self.tenant_id),
            *(code for code, value in zip(filled, held, strict=True) if value),
            *(value for value in held if value),
        )


class Entries(Protocol):
    """Records of a look-up, by place. Most are only compared, column by column, and no entry is made of them."""

    @property
    def numbers(self) -> Longs:
        """The index's own names for them."""

    @property
    def customers(self) -> Sequence[tuple[str, str]]:
        """Their tenants and customer ids."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Entry: ...

    def column(self, at: int) -> list[str]:
        """Their values of a place in NormalisedRecord."""


class ListedEntries:
    """Entries that are there already."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._records = [entry.record for entry in entries]
        self.numbers: Longs = np.array([entry.number for entry in entries], np.int64)
        self.customers = [(entry.tenant_id, entry.customer_id) for entry in entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __getitem__(self, place: int) -> Entry:
        return self._entries[place]

    def column(self, at: int) -> list[str]:
        """See Entries."""
        return [record[at] for record in self._records]


class JoinedEntries:
    """Some entries, and others after them."""

    def __init__(self, first: Entries, others: Entries) -> None:
        self._first, self._others = first, others
        self.numbers: Longs = np.concatenate([first.numbers, others.numbers])
        self.customers = [*first.customers, *others.customers]

    def __len__(self) -> int:
        return len(self._first) + len(self._others)

    def __getitem__(self, place: int) -> Entry:
        within = len(self._first)
        return self._first[place] if place < within else self._others[place - within]

    def column(self, at: int) -> list[str]:
        """See Entries."""
        return self._first.column(at) + self._others.column(at)


class Postings(NamedTuple):
    """Holders of keys: record `numbers[i]` has the key at place `at[i]` of those asked for, in that order."""

    at: NDArray[np.intp]
    numbers: Longs


class Index(Protocol):
    """Records by key. All calls are for a whole batch; implementations answer each in one round trip."""

    def postings(self, codes: Sequence[int], caps: Sequence[int]) -> Postings:
        """The records under each key, at most cap + 2 of them (enough to see that a key is too common)."""

    def entries(self, numbers: Sequence[int]) -> Entries:
        """The records of these numbers, in any order; erased ones are left out."""

    def counts(self, codes: Sequence[int]) -> Longs:
        """How many records are counted under each code."""

    def contested(self, identifiers: Iterable[int]) -> set[int]:
        """Those of the identifiers that people of clearly different names share."""

    def contest(self, identifiers: Iterable[int]) -> None:
        """Remembers that people of clearly different names share these identifiers."""


def field_values(record: NormalisedRecord) -> tuple[str, ...]:
    """The countable value of each compared field, in the order of FIELDS."""
    r = record
    email = f"{r.email_local}@{r.email_domain}" if r.email_local else ""
    dwelling = f"{r.number} {r.street} {r.postcode}" if r.street and r.number else r.street
    return (
        r.given, r.family, r.middle, r.suffix, r.gender, r.birth_date, email, r.phone, dwelling, r.postcode, r.city,
        r.region, r.national_id, r.occupation,
    )  # fmt: skip


@lru_cache(maxsize=_TENANTS)
def records_code(tenant_id: str) -> int:
    """Counter of a tenant's records."""
    return key_code(tenant_id, _VALUE_SPACE, "")


@lru_cache(maxsize=_TENANTS)
def duplicates_code(tenant_id: str) -> int:
    """Counter of the pairs found in a tenant's records."""
    return key_code(tenant_id, _VALUE_SPACE, "duplicates")


@lru_cache(maxsize=_TENANTS)
def filled_codes(tenant_id: str) -> tuple[int, ...]:
    """Counters of a tenant's records that have each field."""
    first = _VALUE_SPACE + 1 + len(FIELDS)
    return tuple(key_code(tenant_id, first + field, "") for field in range(len(FIELDS)))


def value_code(tenant_id: str, field: int, value: str) -> int:
    """Counter of a tenant's records that have this value in this field."""
    return key_code(tenant_id, _VALUE_SPACE + 1 + field, value)


@lru_cache(maxsize=RECENT_RECORDS)
def value_codes(tenant_id: str, record: NormalisedRecord) -> tuple[int, ...]:
    """Counters of a record's values by field; 0, which counts nothing, for absent ones."""
    first = _VALUE_SPACE + 1
    return tuple(
        key_code(tenant_id, first + field, value) if value else 0 for field, value in enumerate(field_values(record))
    )


class MemoryIndex:
    """An index for one run over a file. Nothing is ever removed."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        # most keys have one holder: a bare number costs a tenth of a list
        self._postings: dict[int, int | list[int]] = {}
        self._counts: dict[int, int] = {}
        self._contested: set[int] = set()

    def add(self, entries: Sequence[Entry]) -> None:
        """Adds records whose numbers continue those already here."""
        counts = self._counts
        self._entries.extend(entries)
        for entry in entries:
            self._post(entry.number, entry.blocking_keys())
            for code in entry.counters():
                counts[code] = counts.get(code, 0) + 1

    def postings(self, codes: Sequence[int], caps: Sequence[int]) -> Postings:  # noqa: ARG002 - what is kept is capped
        """See Index."""
        found = [(held,) if isinstance(held, int) else held for held in map(self._postings.get, codes, repeat(()))]
        lengths = np.fromiter(map(len, found), np.intp, count=len(found))
        numbers = np.fromiter(chain.from_iterable(found), np.int64, count=int(lengths.sum()))
        return Postings(np.repeat(np.arange(len(found)), lengths), numbers)

    def entries(self, numbers: Sequence[int]) -> ListedEntries:
        """See Index."""
        return ListedEntries([self._entries[number] for number in numbers])

    def counts(self, codes: Sequence[int]) -> Longs:
        """See Index."""
        return np.fromiter(map(self._counts.get, codes, repeat(0)), np.int64, count=len(codes))

    def count(self, code: int, more: int) -> None:
        """Adds to a counter."""
        self._counts[code] = self._counts.get(code, 0) + more

    def contested(self, identifiers: Iterable[int]) -> set[int]:
        """See Index."""
        return self._contested.intersection(identifiers)

    def contest(self, identifiers: Iterable[int]) -> None:
        """See Index."""
        self._contested.update(identifiers)

    def _post(self, number: int, keys: Keys) -> None:
        postings = self._postings
        for code, cap in zip(keys.codes, keys.caps, strict=True):
            held = postings.get(code)
            if held is None:
                postings[code] = number
            elif isinstance(held, int):
                postings[code] = [held, number]
            elif len(held) < cap + 2:
                held.append(number)
