"""How far bulk work has come, where nobody looks at a terminal."""

import itertools
from types import SimpleNamespace

import pytest

from dedupe_detector.adapters import progress


def test_a_line_a_second_tells_how_many_of_how_many_what_an_earlier_run_did_among_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = itertools.count(step=0.4)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with progress.Progress("backfill", total=5_000, done=2_000, unit="customers") as shown:
        for _ in range(6):
            shown.done(500)
    lines = capsys.readouterr().err.splitlines()
    assert lines, "nothing was told"
    assert len(lines) < 6, "more than a line a second"
    assert lines[-1].startswith("backfill: ")
    assert " of 5,000 customers, " in lines[-1]
    assert lines[0].startswith("backfill: 3,500 of 5,000 customers, "), lines[0]
