"""What the matcher asks of an index of records, and an index in memory (the service has one in PostgreSQL)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from customer_identity.blocking import Key, identifier_keys, key_code, keys_of
from customer_identity.comparison.fields import FIELDS
from customer_identity.normalise.record import NormalisedRecord

_VALUE_SPACE: Final = 1000  # key families are below, value counters above: one hash space for both


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

    def blocking_keys(self) -> tuple[Key, ...]:
        """Blocking keys."""
        return keys_of(self.tenant_id, self.record)

    def identifiers(self) -> tuple[int, ...]:
        """Codes of e-mail address and phone number."""
        return identifier_keys(self.tenant_id, self.record)

    def counters(self) -> tuple[int, ...]:
        """Everything this record is counted under: its tenant's records, its filled fields, its values."""
        values = field_values(self.record)
        filled = tuple(filled_code(self.tenant_id, position) for position, value in enumerate(values) if value)
        held = tuple(value_code(self.tenant_id, position, value) for position, value in enumerate(values) if value)
        return (records_code(self.tenant_id), *filled, *held)


class Index(Protocol):
    """Records by key. All calls are for a whole batch; implementations answer each in one round trip."""

    def holders(self, keys: Iterable[Key]) -> Mapping[int, Sequence[int]]:
        """Numbers of the records under each key, at most cap + 2 of them (enough to see that a key is too common)."""

    def entries(self, numbers: Iterable[int]) -> Mapping[int, Entry]:
        """The records of these numbers; erased ones are left out."""

    def counts(self, codes: Iterable[int]) -> Mapping[int, int]:
        """How many records are counted under each code; codes never seen are left out."""

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


def records_code(tenant_id: str) -> int:
    """Counter of a tenant's records."""
    return key_code(tenant_id, _VALUE_SPACE, "")


def duplicates_code(tenant_id: str) -> int:
    """Counter of the pairs found in a tenant's records."""
    return key_code(tenant_id, _VALUE_SPACE, "duplicates")


def filled_code(tenant_id: str, field: int) -> int:
    """Counter of a tenant's records that have this field."""
    return key_code(tenant_id, _VALUE_SPACE + 1 + len(FIELDS) + field, "")


def value_code(tenant_id: str, field: int, value: str) -> int:
    """Counter of a tenant's records that have this value in this field."""
    return key_code(tenant_id, _VALUE_SPACE + 1 + field, value)


class MemoryIndex:
    """An index for one run over a file. Nothing is ever removed."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._postings: dict[
            int, int | list[int]
        ] = {}  # most keys have one holder: a bare number costs a tenth of a list
        self._counts: dict[int, int] = {}
        self._contested: set[int] = set()

    def add(self, entries: Sequence[Entry]) -> None:
        """Adds records whose numbers continue those already here."""
        for entry in entries:
            self._entries.append(entry)
            for key in entry.blocking_keys():
                self._post(key, entry.number)
            for code in entry.counters():
                self._counts[code] = self._counts.get(code, 0) + 1

    def holders(self, keys: Iterable[Key]) -> Mapping[int, Sequence[int]]:
        """See Index."""
        out: dict[int, Sequence[int]] = {}
        for key in keys:
            held = self._postings.get(key.code)
            if held is not None:
                out[key.code] = (held,) if isinstance(held, int) else held
        return out

    def entries(self, numbers: Iterable[int]) -> Mapping[int, Entry]:
        """See Index."""
        return {number: self._entries[number] for number in numbers}

    def counts(self, codes: Iterable[int]) -> Mapping[int, int]:
        """See Index."""
        return {code: self._counts[code] for code in codes if code in self._counts}

    def count(self, code: int, more: int) -> None:
        """Adds to a counter."""
        self._counts[code] = self._counts.get(code, 0) + more

    def contested(self, identifiers: Iterable[int]) -> set[int]:
        """See Index."""
        return self._contested.intersection(identifiers)

    def contest(self, identifiers: Iterable[int]) -> None:
        """See Index."""
        self._contested.update(identifiers)

    def _post(self, key: Key, number: int) -> None:
        held = self._postings.get(key.code)
        if held is None:
            self._postings[key.code] = number
        elif isinstance(held, int):
            self._postings[key.code] = [held, number]
        elif len(held) < key.cap + 2:
            held.append(number)
