"""`dedupe-detector backfill` killed before a commit and at random moments, and started again until it is through."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dedupe_detector.__main__ import main
from rig.bulk import Bulk, people, write_base
from rig.detector_world import PACKAGES
from rig.fixtures import Migrated, Spawn
from rig.in_process import run_here
from rig.processes import Program, eventually

PEOPLE = 600
MICRO_BATCHES = ("20", "50", "100")
POINT = "backfill_before_commit=crash:2"
RANDOM_KILLS = 3
# Of what is taken in, and of what is told of: the one runs ahead of the other.
TAKEN_IN, DONE = "SELECT count(*) AS n FROM detector.records", "SELECT sum(records) AS n FROM detector.bulk_work"
# Neither of its two processes may be left, nor a lock on its source.
LEFT_OF_IT = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dedupe-detector%'
    UNION
    SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND datname = current_database()
"""


@pytest.fixture
def make(migrated: Migrated) -> Iterator[Callable[[], Bulk]]:
    made: list[Bulk] = []

    def one() -> Bulk:
        made.append(Bulk(migrated(*PACKAGES)))
        return made[-1]

    yield one
    for bulk in made:
        bulk.engine.dispose()


def test_a_backfill_killed_again_and_again_ends_as_one_that_was_left_alone(
    make: Callable[[], Bulk], spawn: Spawn, tmp_path: Path
) -> None:
    draw = random.Random(8)  # noqa: S311 - test data, the same at each run
    rows = people(PEOPLE)
    draw.shuffle(rows)
    base = write_base(tmp_path / "customers.csv", rows)
    whole, killed = make(), make()
    assert run_here(main, ["backfill", str(base)], whole.env).status == 0

    def start(**more: str) -> Program:
        command = ["dedupe-detector", "backfill", str(base), "--micro-batch", draw.choice(MICRO_BATCHES)]
        return spawn(command, {**killed.env, **more})

    assert start(FAILPOINTS_ENABLED="1", FAILPOINTS=POINT).wait() == -9
    for _ in range(RANDOM_KILLS):
        what, before = draw.choice((TAKEN_IN, DONE)), int(killed.sql(DONE)[0].n)
        moment = draw.randrange(before + 1, before + (len(rows) - before) // 6)
        program = start()
        eventually(lambda what=what, moment=moment: killed.sql(what)[0].n >= moment, every_s=0.002)  # type: ignore[misc]
        program.kill()
        assert program.returncode == -9, "it was through before"
    eventually(lambda: not killed.sql(LEFT_OF_IT), every_s=0.01)
    assert run_here(main, ["backfill", str(base), "--micro-batch", "170"], killed.env).status == 0

    assert [row.customer_id for row in killed.index()] == sorted(row["customer_id"] for row in rows)
    assert killed.whole_index() == whole.whole_index()
    assert killed.grades() == whole.grades()
    told = sorted(killed.in_outbox())
    assert told == sorted(whole.in_outbox()) == [(f"A{number:04d}", f"B{number:04d}") for number in range(PEOPLE)]
    (work,) = killed.sql("SELECT records, finished_at IS NOT NULL AS finished FROM detector.bulk_work")
    assert (work.records, work.finished) == (len(rows), True)
