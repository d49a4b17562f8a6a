"""`match` in two processes: what it finds, and how it ends when one of them cannot go on."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from customer_identity.matching.finding import Finder, Finding
from customer_identity.records import CustomerRecord
from dedupe_detector.__main__ import main
from dedupe_detector.application import match_file

HEADER = "customer_id,given_name,family_name,email,phone,date_of_birth,city\n"


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    draw = random.Random(5)  # noqa: S311 - test data, the same at each run
    people = [
        f"{draw.choice(('Anna', 'Bruno', 'Carla', 'Dmitri', 'Elena'))},{draw.choice(('Marchetti', 'Okafor', 'Lund'))},"
        f"m{draw.randrange(200)}@example.org,206-518-{draw.randrange(150):04d},19{draw.randrange(40, 99)}-03-12,York"
        for _ in range(160)
    ]
    path.write_text(HEADER + "".join(f"{number},{person}\n" for number, person in enumerate(people + people[::3])))
    return path


def matched(customers: Path, processes: int, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, bytes]:
    monkeypatch.setattr(match_file, "has_cores_for_two", lambda: processes == 2)
    pairs, clusters = customers.parent / "pairs.csv", customers.parent / "clusters.csv"
    arguments = ["match", str(customers), "--output", str(pairs), "--clusters", str(clusters), "--micro-batch", "40"]
    assert main(arguments) == 0
    return pairs.read_bytes(), clusters.read_bytes()


def test_two_processes_write_what_one_writes(customers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_one, in_two = (matched(customers, processes, monkeypatch) for processes in (1, 2))
    assert in_one == in_two
    assert in_one[0].count(b"\n") > 30, "the fits and the contested identifiers have had something to do"


def test_what_the_reading_process_cannot_read_is_told_in_one_line_and_nothing_is_written(
    customers: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(match_file, "has_cores_for_two", lambda: True)
    with customers.open("a") as lines:
        lines.write("7,Anna,Lund,,,,\n")
    assert main(["match", str(customers), "--output", str(customers.parent / "pairs.csv")]) == 1
    said = capsys.readouterr().err
    assert "line 216 repeats the customer_id of line 9" in said
    assert "Traceback" not in said
    assert [path.name for path in customers.parent.iterdir()] == ["customers.csv"]


def test_a_killed_reading_process_ends_the_command_and_leaves_nothing_half_written(
    customers: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(match_file, "has_cores_for_two", lambda: True)
    ours, find = os.getpid(), Finder.find

    def killed(self: Finder, batch: Sequence[CustomerRecord]) -> Finding:
        if os.getpid() != ours and batch[0].customer_id == "100":
            os.kill(os.getpid(), signal.SIGKILL)
        return find(self, batch)

    monkeypatch.setattr(Finder, "find", killed)
    assert main(["match", str(customers), "--output", str(customers.parent / "pairs.csv")]) == 1
    assert "the process that reads the file ended by itself" in capsys.readouterr().err
    assert [path.name for path in customers.parent.iterdir()] == ["customers.csv"]


def test_the_arithmetic_starts_no_threads_that_spin_beside_it(customers: Path) -> None:
    program = (
        "import os, sys; from dedupe_detector.__main__ import main; main(sys.argv[1:]);"
        " print(len(os.listdir('/proc/self/task')))"
    )
    arguments = ["match", str(customers), "--output", str(customers.parent / "pairs.csv")]
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    told = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "1"
