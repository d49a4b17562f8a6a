"""What the matcher asks of an index, asked of every implementation."""

from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Protocol

import pytest
import sqlalchemy

from customer_identity.matching.index import Entry, Index, MemoryIndex, field_values, records_code, value_code
from customer_identity.matching.matcher import Matcher
from customer_identity.matching.model import Model, parse_model
from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.postgres_index import PostgresIndex
from dedupe_detector.adapters.record_tables import Version, store
from event_runtime.database import create_engine
from rig.fixtures import Migrated
from rig.noisy_customers import noisy_customers


class Filled(Protocol):
    """An index and the one way to put records into it."""

    @property
    def index(self) -> Index: ...

    def add(self, customers: Sequence[CustomerRecord]) -> list[Entry]: ...


class FilledMemory:
    def __init__(self) -> None:
        self.index = MemoryIndex()
        self._count = 0

    def add(self, customers: Sequence[CustomerRecord]) -> list[Entry]:
        entries = [
            Entry(number=self._count + at, tenant_id=one.tenant_id, customer_id=one.customer_id, version=one.version,
                  source=one.source, record=normalise(one))
            for at, one in enumerate(customers)
        ]  # fmt: skip
        self._count += len(entries)
        self.index.add(entries)
        return entries


class FilledPostgres:
    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self.index = PostgresIndex(connection)
        self._connection = connection

    def add(self, customers: Sequence[CustomerRecord]) -> list[Entry]:
        store(
            self._connection,
            [
                Version(tenant_id=one.tenant_id, customer_id=one.customer_id, version=one.version, source=one.source,
                        record=normalise(one))
                for one in customers
            ],
        )  # fmt: skip
        return self.index.entries_of([(one.tenant_id, one.customer_id) for one in customers])


@pytest.fixture(params=["memory", "postgres"])
def filled(request: pytest.FixtureRequest) -> Iterator[Filled]:
    if request.param == "memory":
        yield FilledMemory()
        return
    migrated: Migrated = request.getfixturevalue("migrated")
    engine = create_engine(migrated("dedupe_detector"))
    with engine.begin() as connection:
        yield FilledPostgres(connection)
    engine.dispose()


@pytest.fixture(scope="module")
def model() -> Model:
    text = resources.files("customer_identity.matching").joinpath("model.json").read_text(encoding="utf-8")
    return parse_model(text)


def _customers(count: int, **values: str) -> list[CustomerRecord]:
    return [CustomerRecord(tenant_id="t", customer_id=f"C{n:04d}", **values) for n in range(count)]  # type: ignore[arg-type]


def _holders(index: Index, entry: Entry) -> list[list[int]]:
    """The numbers under each of the record's keys."""
    keys = entry.blocking_keys()
    found = index.postings(keys.codes, keys.caps)
    assert found.at.tolist() == sorted(found.at.tolist())
    return [sorted(found.numbers[found.at == place].tolist()) for place in range(len(keys.codes))]


def test_holders_of_a_key_are_the_records_that_have_it(filled: Filled) -> None:
    entries = filled.add(_customers(3, full_name="Anna Lopez", email="anna@example.com"))
    held = _holders(filled.index, entries[0])
    assert held == [sorted(entry.number for entry in entries)] * len(entries[0].blocking_keys().codes)


def test_a_hot_key_answers_just_enough_to_be_seen_as_hot(filled: Filled) -> None:
    (entry, *_) = filled.add(_customers(80, family_name="Smith"))
    for _ in ("looked up", "remembered"):
        for cap, held in zip(entry.blocking_keys().caps, _holders(filled.index, entry), strict=True):
            assert cap < len(held) <= cap + 2


def test_unknown_keys_numbers_and_counters_count_nothing(filled: Filled) -> None:
    (entry,) = filled.add(_customers(1, full_name="Anna Lopez"))
    assert len(filled.index.postings([], []).at) == 0
    assert len(filled.index.postings([12345], [20]).at) == 0
    assert filled.index.counts([12345, records_code("t"), 12345]).tolist() == [0, 1, 0]
    assert len(filled.index.entries([])) == 0
    assert filled.index.entries([entry.number]).numbers.tolist() == [entry.number]


def test_entries_come_back_as_they_went_in(filled: Filled) -> None:
    (entry,) = filled.add(
        [CustomerRecord(tenant_id="t", customer_id="1", version=3, source="web", full_name="Søren Ørsted")]
    )
    found = filled.index.entries([entry.number])[0]
    assert (found.record, found.version, found.source) == (entry.record, 3, "web")


def test_counters_count_records_and_values(filled: Filled) -> None:
    entries = filled.add(
        [*_customers(4, family_name="Smith"), CustomerRecord(tenant_id="t", customer_id="x", family_name="Jones")]
    )
    smith = next(e for e in entries if e.record.family == "smith")
    family = value_code("t", 1, field_values(smith.record)[1])
    assert filled.index.counts([family, records_code("t")]).tolist() == [4, 5]


def test_contested_identifiers_are_remembered(filled: Filled) -> None:
    assert filled.index.contested([1, 2]) == set()
    filled.index.contest([2])
    filled.index.contest([2, 3])
    filled.index.contest([])
    assert filled.index.contested([1, 2, 3]) == {2, 3}


def test_a_base_gets_the_same_scores_from_every_index(filled: Filled, model: Model) -> None:
    """Both against the memory index fed alike: the same pairs, levels, scores and grades."""
    rows = noisy_customers(households=120).rows
    customers = [
        CustomerRecord.of({k: v for k, v in row.items() if k != "customer_id"}, tenant_id="t", customer_id=f"{n:05d}")
        for n, row in enumerate(rows)
    ]
    reference = FilledMemory()
    found: list[dict[tuple[str, str], tuple[float, int, bytes]]] = []
    for one in (filled, reference):
        pairs: dict[tuple[str, str], tuple[float, int, bytes]] = {}
        for first in range(0, len(customers), 50):
            batch = one.add(customers[first : first + 50])
            matches = Matcher(model, one.index).match(batch, only_earlier=True)
            for row, (a, b) in enumerate(zip(matches.left, matches.right, strict=True)):
                pairs[a.customer_id, b.customer_id] = (
                    round(float(matches.score[row]), 9),
                    int(matches.grade[row]),
                    matches.levels[row].tobytes(),
                )
        found.append(pairs)
    assert found[0] == found[1]
    assert len(found[0]) > 50
