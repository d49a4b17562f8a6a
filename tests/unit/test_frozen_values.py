import dataclasses
import subprocess
import sys
from pathlib import Path

from frozen_values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0


def test_values_are_equal_and_hashable_by_what_they_hold() -> None:
    assert Point(x=1) == Point(x=1, y=0) != Point(x=2)
    assert {Point(x=1): "found"}[Point(x=1)] == "found"
    assert dataclasses.replace(Point(x=1), y=2) == Point(x=1, y=2)


def test_the_type_checker_lets_nobody_change_one(tmp_path: Path) -> None:
    changing = tmp_path / "changing.py"
    changing.write_text(
        "from frozen_values import dataclass\n"
        "@dataclass(frozen=True, slots=True, kw_only=True)\n"
        "class Point:\n"
        "    x: int\n"
        "Point(x=1).x = 2\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), str(changing)]
    told = subprocess.run(mypy, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert 'Property "x" defined in "Point" is read-only' in told.stdout
