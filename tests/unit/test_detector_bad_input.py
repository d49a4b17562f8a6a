"""Whatever file a command of the detector is given: exit 1 or 2, one clear line, and no output but a whole one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from customer_identity.matching.model import format_model
from dedupe_detector.__main__ import main
from dedupe_detector.adapters.files import shipped_model

CUSTOMERS = "customer_id,given_name,family_name,email\n" + "".join(
    f"{n},Anna{n},Lopez{n},anna{n}@example.org\n" for n in range(20)
)
PAIRS = "customer_id_a,customer_id_b,score,grade\n1,2,0.9,probable\n"
TRUTH = "customer_id,entity_id\n" + "".join(f"{n},e{n // 2}\n" for n in range(20))
LABELS = "customer_id_a,customer_id_b,label\n1,2,1\n3,4,0\n"

# What is wrong with a file: its bytes, made from those of a good one.
ANY_FILE: dict[str, Callable[[str], bytes]] = {
    "absent": lambda _: b"",
    "a directory": lambda _: b"",
    "junk bytes": lambda _: bytes(range(256)) * 40,
    "UTF-16": lambda good: good.encode("utf-16"),
    "empty": lambda _: b"",
}
ANY_CSV: dict[str, Callable[[str], bytes]] = {
    **ANY_FILE,
    "Latin-1": lambda good: good.encode() + "é,é,é,é\n".encode("latin-1"),
    "a quote not closed": lambda good: good.encode() + b'"never closed,x\n',
    "one line of ten megabytes": lambda good: good.encode() + b"x" * 10_000_000 + b"\n",
    "other columns": lambda _: b"colour,size\nred,3\n",
    "a line too short": lambda good: good.encode() + b"77\n",
}
KEYED: dict[str, Callable[[str], bytes]] = {
    **ANY_CSV,
    "an id twice": lambda good: good.encode() + good.splitlines()[-1].encode() + b"\n",
    "a blank id": lambda good: good.encode() + b",".join([b""] * len(good.splitlines()[0].split(","))) + b"x\n",
    "columns only": lambda good: good.splitlines()[0].encode() + b"\n",
}
CUSTOMER_FILE: dict[str, Callable[[str], bytes]] = {
    **KEYED,
    "a NUL byte": lambda good: good.encode() + b"a\0b,x,y,z\n",
    "NUL bytes only": lambda _: b"\0" * 4096,
    "semicolons": lambda good: good.replace(",", ";").encode(),
}
PAIR_FILE: dict[str, Callable[[str], bytes]] = {
    **ANY_CSV,
    "no number": lambda good: good.replace("0.9", "high").encode(),
    "not a number": lambda good: good.replace("0.9", "NaN").encode(),
    "an unknown grade": lambda good: good.replace("probable", "splendid").encode(),
    "a pair twice": lambda good: good.encode() + b"2,1,0.9,probable\n",
    "an unknown customer": lambda good: good.encode() + b"1,999,0.9,probable\n",
}
LABEL_FILE: dict[str, Callable[[str], bytes]] = {
    **ANY_CSV,
    "columns only": lambda good: good.splitlines()[0].encode() + b"\n",
    "no label": lambda good: good.replace(",1\n", ",yes\n").encode(),
    "a contradiction": lambda good: good.encode() + b"2,1,0\n",
    "one customer": lambda good: good.encode() + b"5,5,1\n",
    "another base's customers": lambda good: good.encode() + b"5,999,1\n",
    "another base's truth": lambda _: b"customer_id,entity_id\nX1,a\nX2,a\n",
}
MODEL_FILE: dict[str, Callable[[str], bytes]] = {
    **ANY_FILE,
    "other JSON": lambda _: b'{"name": "package", "version": "1.0.0"}',
    "JSON that is a list": lambda _: b"[1, 2, 3]",
    "JSON without end": lambda _: b"[" * 200_000,
    "a model of another version": lambda good: json.dumps(json.loads(good) | {"format": 2}).encode(),
    "a model cut short": lambda good: good[: len(good) // 2].encode(),
    "a field unknown": lambda good: good.replace('"suffix"', '"shoe_size"').encode(),
    "levels that do not add up": lambda good: _with(good, "match", "suffix", [0.9, 0.9]),
    "a level too many": lambda good: _with(good, "chance", "suffix", [0.5, 0.2, 0.3]),
    "grades out of order": lambda good: _with(good, "grades", "certain", 0.1),
    "text for a number": lambda good: json.dumps(json.loads(good) | {"duplicates_per_record": "many"}).encode(),
}

# Commands by the file that is bad: its good content, its faults, and the line, with BAD in its place.
COMMANDS: dict[str, tuple[str, dict[str, Callable[[str], bytes]], list[str]]] = {
    "match": (CUSTOMERS, CUSTOMER_FILE, ["match", "BAD", "--output", "OUT", "--clusters", "OUT2"]),
    "match --model": ("MODEL", MODEL_FILE, ["match", "customers.csv", "--model", "BAD", "--output", "OUT"]),
    "train": (CUSTOMERS, CUSTOMER_FILE, ["train", "BAD", "--output", "OUT"]),
    "train --model": ("MODEL", MODEL_FILE, ["train", "customers.csv", "--model", "BAD", "--output", "OUT"]),
    "train --labels": (LABELS, LABEL_FILE, ["train", "customers.csv", "--labels", "BAD", "--output", "OUT"]),
    "evaluate": (PAIRS, PAIR_FILE, ["evaluate", "BAD", "--truth", "truth.csv", "--plot", "OUT.png"]),
    "evaluate --truth": (TRUTH, KEYED, ["evaluate", "pairs.csv", "--truth", "BAD", "--plot", "OUT.png"]),
    "evaluate --clusters": (TRUTH, KEYED, ["evaluate", "pairs.csv", "--truth", "truth.csv", "--clusters", "BAD"]),
    "export-splink": (CUSTOMERS, CUSTOMER_FILE, ["export-splink", "BAD", "--output", "OUT"]),
    "export-splink --model": (
        "MODEL", MODEL_FILE, ["export-splink", "customers.csv", "--model", "BAD", "--output", "OUT"],
    ),
}  # fmt: skip


def _with(model: str, part: str, name: str, value: object) -> bytes:
    data = json.loads(model)
    data[part][name] = value
    return json.dumps(data).encode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of good files, where the commands run."""
    for name, content in (("customers", CUSTOMERS), ("pairs", PAIRS), ("truth", TRUTH), ("labels", LABELS)):
        (tmp_path / f"{name}.csv").write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a command that did not do what it was asked."""
    assert main(argv) in {1, 2}
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    (line,) = [line for line in said.err.splitlines() if not line.startswith("warning: unknown columns")]
    assert line.startswith("dedupe-detector")
    assert "[" not in line or ".py:" not in line, "an exception nobody foresaw"
    return line


@pytest.mark.parametrize(
    ("command", "fault"), [(command, fault) for command, (_, faults, _) in COMMANDS.items() for fault in faults]
)
def test_a_bad_file_is_named_in_one_line_and_what_was_there_before_stays(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, fault: str
) -> None:
    good, faults, argv = COMMANDS[command]
    bad = folder / "bad"
    if fault == "a directory":
        bad.mkdir()
    elif fault != "absent":
        bad.write_bytes(faults[fault](format_model(shipped_model()) if good == "MODEL" else good))
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    line = _refused(
        [{"BAD": "bad", "OUT": "out", "OUT2": "out2", "OUT.png": "out.png"}.get(a, a) for a in argv], capsys
    )
    if fault not in _ABOUT_TWO_FILES:
        assert "bad" in line.partition(":")[2], line
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


_NAMES = {"BAD": "bad", "OUT": "out", "OUT2": "out2", "OUT.png": "out.png"}
# What one file says is wrong only beside another.
_ABOUT_TWO_FILES = frozenset(
    {"a pair twice", "an unknown customer", "another base's customers", "another base's truth", "columns only"}
)
OUTPUTS = {
    "match": ["match", "customers.csv", "--output", "OUT"],
    "match --clusters": ["match", "customers.csv", "--output", "pairs.out", "--clusters", "OUT"],
    "train": ["train", "customers.csv", "--output", "OUT"],
    "train --labels": ["train", "customers.csv", "--labels", "labels.csv", "--output", "OUT"],
    "evaluate --plot": ["evaluate", "pairs.csv", "--truth", "truth.csv", "--plot", "OUT"],
    "export-splink": ["export-splink", "customers.csv", "--output", "OUT"],
}


@pytest.mark.parametrize("where", ["nowhere/out.png", "customers.csv/out.png", "/proc/out.png", "taken.png"])
@pytest.mark.parametrize("command", OUTPUTS)
def test_an_output_that_cannot_be_written_is_one_line_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, where: str
) -> None:
    (folder / "taken.png").mkdir()
    (folder / "taken.png" / "held").write_text("kept")
    before = sorted(folder.rglob("*"))
    _refused([where if one == "OUT" else one for one in OUTPUTS[command]], capsys)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("command", OUTPUTS)
def test_an_output_that_is_an_input_is_wrong_usage_by_whatever_name(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    argv = OUTPUTS[command]
    source = next(one for one in argv if one.endswith(".csv"))
    (folder / "link.png").symlink_to(folder / source)
    for name in (f"../{folder.name}/{source}", "link.png"):
        before = (folder / source).read_bytes()
        _refused([name if one == "OUT" else one for one in argv], capsys)
        assert (folder / source).read_bytes() == before


@pytest.mark.parametrize(
    "argv",
    [
        ["train", "--output", "out"],
        ["train", "customers.csv", "--from-index", "--output", "out"],
        ["train", "customers.csv", "--tenant", "shop", "--output", "out"],
        ["train", "--from-index", "--labels", "labels.csv", "--output", "out"],
        ["match", "customers.csv", "--output", "out", "--micro-batch", "0"],
        ["evaluate", "pairs.csv", "--truth", "truth.csv", "--plot", "out.txt"],
        ["models", "pin"],
        ["explain", "1"],
    ],
)
def test_wrong_usage_of_a_command_is_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    before = sorted(folder.iterdir())
    assert main(argv) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "argv",
    [
        ["models", "list"],
        ["models", "pin", "v"],
        ["models", "unpin"],
        ["explain", "1", "2"],
        ["train", "--from-index", "--output", "out"],
        ["backfill", "customers.csv"],
        ["load-pairs", "pairs.csv"],
        ["export-splink", "--output", "out"],
    ],
)
def test_a_database_that_is_not_there_and_a_model_that_is_none_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.setenv("DEDUPE_DETECTOR_DATABASE__URL", "postgresql://nobody@127.0.0.1:1/none")
    before = sorted(folder.iterdir())
    assert "PostgreSQL" in _refused(argv, capsys)
    assert sorted(folder.iterdir()) == before
    monkeypatch.setenv("DEDUPE_DETECTOR_MODEL", "customers.csv")
    _refused(argv, capsys)
    assert sorted(folder.iterdir()) == before


def test_settings_that_cannot_be_used_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEDUPE_DETECTOR_HTTP__PORT", "many")
    assert main(["config", "show"]) == 2
    assert "DEDUPE_DETECTOR_HTTP__PORT" in capsys.readouterr().err
