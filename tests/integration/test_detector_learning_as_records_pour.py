"""Fits come with the records, and not with a clock; a pin holds from the next batch on, whatever pours in."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

import customer_events as wire
from dedupe_detector.__main__ import main
from dedupe_detector.adapters import model_tables
from dedupe_detector.adapters.files import shipped_model
from dedupe_detector.application.detect_duplicates import DetectDuplicates
from dedupe_detector.application.find_candidates import FindCandidates
from dedupe_detector.application.refit_models import Growth, RefitModels
from event_runtime.publisher import Publisher
from rig.bare_detector import Detector
from rig.detector_world import PACKAGES, TENANT, created, person
from rig.fixtures import Migrated
from rig.invariants import CODEC
from rig.processes import eventually

START = shipped_model()
PEOPLE = 15
"""Of a batch; each is told of twice."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of one batch, and when."""

    began: float
    ended: float
    versions: frozenset[str]
    """Models that its candidates name."""


@dataclass(slots=True)
class Pouring:
    """A consumer and a learning loop, each in a thread of its own. The loop has no clock: it waits to be told."""

    detector: Detector
    growth: Growth
    batches: list[Batch] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def consume(self) -> None:
        """One batch after the other."""
        while not self.stop.is_set():
            first, began = PEOPLE * len(self.batches), time.monotonic()
            people = [(n, person(n)) for n in range(first, first + PEOPLE)]
            told = self.detector.receive(*(created(f"{x}{n}", **values) for n, values in people for x in "AB"))
            versions = {event.model_version for event in told if isinstance(event, wire.MergeCandidateFound)}
            self.batches.append(Batch(began, time.monotonic(), frozenset(versions)))

    def learn(self) -> None:
        """As the service's loop does."""
        refit = RefitModels(self.detector.engine, START)
        while not self.stop.is_set():
            if self.growth.seen.wait(0.05):
                self.growth.seen.clear()
                refit.run_due()

    def fits(self) -> dict[str, int]:
        """The fitted versions, the newest first, and the records each was fitted to."""
        with self.detector.engine.connect() as connection:
            return {one.version: one.records for one in model_tables.listing(connection, TENANT)}

    def records(self) -> int:
        """As many as are handled."""
        return 2 * PEOPLE * len(self.batches)

    def between(self, began: float, ended: float) -> list[Batch]:
        """The batches that began and ended in that time."""
        return [batch for batch in self.batches if began < batch.began and batch.ended < ended]


@pytest.fixture
def database(migrated: Migrated) -> str:
    return migrated(*PACKAGES)


@pytest.fixture
def models(database: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("DEDUPE_DETECTOR_DATABASE__URL", database)
    return lambda *arguments: main(("models", *arguments, "--tenant", TENANT))


@pytest.fixture
def pouring(database: str) -> Iterator[Pouring]:
    growth = Growth()
    find = FindCandidates(START, Publisher(CODEC, wire.CATALOGUE, "/test"))
    detector = Detector(database, DetectDuplicates(find, notice=growth.look))
    pouring = Pouring(detector, growth)
    with ExitStack() as stack:
        stack.callback(detector.engine.dispose)
        threads = stack.enter_context(ThreadPoolExecutor(2))
        stack.callback(pouring.stop.set)
        ends = [threads.submit(pouring.consume), threads.submit(pouring.learn)]
        yield pouring
        pouring.stop.set()
        for end in ends:
            end.result()


def test_a_pin_holds_from_the_next_batch_on_and_nothing_is_fitted_until_it_is_taken_away(
    pouring: Pouring, models: Callable[..., int]
) -> None:
    first = next(iter(eventually(pouring.fits)))
    assert models("pin", first) == 0
    pinned, fits = time.monotonic(), pouring.fits()
    largest = max(fits.values())
    eventually(lambda: pouring.records() > 2 * largest + 4 * PEOPLE, explain=lambda: str(pouring.batches[-1:]))
    assert pouring.fits() == fits, "the base has doubled, and nothing was fitted"
    unpinned = time.monotonic()
    assert models("unpin") == 0
    held = pouring.between(pinned, unpinned)
    assert len(held) > 2
    assert {version for batch in held for version in batch.versions} == {first}

    newer = eventually(lambda: pouring.fits().keys() - fits.keys())
    eventually(lambda: newer & pouring.batches[-1].versions)
    assert all(len(batch.versions) == 1 for batch in pouring.batches), "a batch is scored by one model"


def test_a_pin_waits_for_the_fit_that_is_under_way(pouring: Pouring, models: Callable[..., int]) -> None:
    version = next(iter(eventually(pouring.fits)))
    waiting = """
        SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
        WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted
    """
    with ThreadPoolExecutor(1) as threads, pouring.detector.engine.begin() as fitting:
        eventually(lambda: model_tables.alone(fitting), every_s=0.001)
        pin = threads.submit(models, "pin", version)
        eventually(lambda: pouring.detector.sql(waiting)[0][0])
        assert not pin.done()
        fitting.commit()
        assert pin.result() == 0
