"""The file commands of the detector: what they write, and one clear line for whatever they cannot use."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dedupe_detector.__main__ import main

HEADER = "customer_id,given_name,family_name,email,phone,date_of_birth\n"
ROWS = (
    "1,Anna,Marchetti,a.marchetti77@example.com,206-518-4492,1982-04-12\n"
    "2,Ana,Marchetti,a.marchetti77@example.com,(206) 518-4492,1982-04-12\n"
    "3,Dmitri,Okafor,dok@example.org,360-555-7781,1951-11-27\n"
)


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text(HEADER + ROWS)
    return path


def test_match_writes_pairs_and_clusters_and_reports_last(
    customers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, clusters = tmp_path / "pairs.csv", tmp_path / "clusters.csv"
    assert main(["match", str(customers), "--output", str(pairs), "--clusters", str(clusters), "--json"]) == 0

    with pairs.open(newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert list(row) == ["customer_id_a", "customer_id_b", "score", "grade"]
    assert {row["customer_id_a"], row["customer_id_b"]} == {"1", "2"}
    assert 0.9 < float(row["score"]) <= 1
    with clusters.open(newline="") as lines:
        entities = {one["customer_id"]: one["entity_id"] for one in csv.DictReader(lines)}
    assert entities["1"] == entities["2"] != entities["3"]
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["records"] == 3
    assert report["pairs"] == 1
    assert {"seconds", "records_per_second", "peak_memory_mb"} <= set(report)


@pytest.mark.parametrize("size", ["1", "2", "100"])
def test_the_size_of_the_micro_batch_changes_no_pair(customers: Path, tmp_path: Path, size: str) -> None:
    pairs = tmp_path / "pairs.csv"
    assert main(["match", str(customers), "--output", str(pairs), "--micro-batch", size]) == 0
    assert len(pairs.read_text().splitlines()) == 2


def test_unknown_columns_are_ignored_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "c.csv"
    source.write_text("customer_id,full_name,shoe_size\n1,Anna Lopez,38\n")
    assert main(["match", str(source), "--output", str(tmp_path / "p.csv")]) == 0
    assert "unknown columns ignored: shoe_size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"name,email\nAnna,a@b.c\n", "no column customer_id"),
        (b"customer_id,email\n1,a@b.c\n2,c@d.e\n1,f@g.h\n", "line 4 repeats the customer_id of line 2"),
        (b"customer_id,email\n,a@b.c\n", "line 2 has no customer_id"),
        (b"customer_id,email\n1,a@b.c\n2,M\xfcller\n", "line 3 is not UTF-8"),
        (
            b"customer_id,email\n" + b"".join(b"%d,a@b.c\n" % n for n in range(5_000)) + b"x,\xff\n",
            "line 5002 is not UTF-8",
        ),
        (b"customer_id;full_name;email\n1;Anna;a@b.c\n", "the first line has semicolons; use commas"),
        (b'customer_id,full_name\n1,"Anna\n2,Bob\n', "no valid CSV"),
        (b'customer_id,full_name\n1,"An"na\n', "no valid CSV"),
        (b"customer_id,full_name\n1,Lopez, Anna\n", "has 3 fields, the header 2"),
        (b"customer_id,full_name,email\n1,Anna\n", "has 2 fields, the header 3"),
        (b"customer_id,email,email\n1,a@b.c,d@e.f\n", "column email is there twice"),
        (b"\x00\x01\x02\xff", "not UTF-8"),
        (b"customer_id,email\n1," + b"x" * 20_000 + b"\n", "longer than"),
    ],
)
@pytest.mark.parametrize("command", ["match", "train"])
def test_a_file_that_cannot_be_used_gives_one_clear_line_and_no_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, content: bytes, said: str
) -> None:
    source, output = tmp_path / "c.csv", tmp_path / "out"
    source.write_bytes(content)
    assert main([command, str(source), "--output", str(output)]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in line
    assert "Traceback" not in line
    assert sorted(tmp_path.iterdir()) == [source], "something half-written was left"


def test_an_absent_file_and_a_directory_give_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source, said in ((tmp_path / "nowhere.csv", "no such file"), (tmp_path, "is a directory")):
        assert main(["match", str(source), "--output", str(tmp_path / "p.csv")]) == 1
        assert said in capsys.readouterr().err


def test_an_output_that_cannot_be_written_gives_one_clear_line(
    customers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["match", str(customers), "--output", str(tmp_path / "nowhere" / "p.csv")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_failed_run_leaves_an_earlier_output_as_it_was(customers: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("earlier\n")
    customers.write_text(HEADER + ROWS + "1,Again,,,,\n")
    assert main(["match", str(customers), "--output", str(pairs)]) == 1
    assert pairs.read_text() == "earlier\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"junk", "not JSON"),
        (b"\xff\xfe", "no text"),
        (b"[]", "no 'format'"),
        (b'{"format": 99}', "format 99"),
        (b'{"format": 1}', "incomplete"),
    ],
)
def test_a_foreign_model_is_refused(
    customers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    model = tmp_path / "model.json"
    model.write_bytes(content)
    assert main(["match", str(customers), "--output", str(tmp_path / "p.csv"), "--model", str(model)]) == 1
    assert said in capsys.readouterr().err


def test_one_file_named_twice_is_wrong_usage(customers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["match", str(customers), "--output", str(customers)]) == 2
    assert "named twice" in capsys.readouterr().err
    assert customers.read_text() == HEADER + ROWS


def test_a_model_is_trained_without_labels_and_can_be_used(customers: Path, tmp_path: Path) -> None:
    customers.write_text(HEADER + ROWS + "".join(f"X{n},Name{n},Family{n},,,\n" for n in range(20)))
    model, pairs = tmp_path / "model.json", tmp_path / "pairs.csv"
    assert main(["train", str(customers), "--output", str(model)]) == 0
    assert json.loads(model.read_text())["version"].startswith("trained-")
    assert main(["match", str(customers), "--output", str(pairs), "--model", str(model)]) == 0
    assert "1,2," in pairs.read_text() or "2,1," in pairs.read_text()


def test_evaluate_counts_pairs_that_were_never_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs, truth, clusters = tmp_path / "p.csv", tmp_path / "t.csv", tmp_path / "c.csv"
    pairs.write_text("customer_id_a,customer_id_b,score,grade\n1,2,0.99,certain\n1,3,0.6,probable\n4,5,0.2,possible\n")
    truth.write_text("customer_id,entity_id\n1,a\n2,a\n3,b\n4,c\n5,c\n6,c\n")
    clusters.write_text("customer_id,entity_id\n1,x\n2,x\n3,x\n4,y\n5,y\n6,z\n")
    assert main(["evaluate", str(pairs), "--truth", str(truth), "--clusters", str(clusters), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["true_pairs"] == 4
    assert (figures["best_f1"], figures["best_threshold"]) == (0.5714, 0.2)
    assert (figures["certain_precision"], figures["certain_recall"]) == (1.0, 0.25)
    assert figures["r_at_p99"] == 0.25
    assert (figures["cluster_p"], figures["cluster_r"], figures["cluster_f1"]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ("1,2,0.9,certain\n2,1,0.9,certain\n", "a pair is there twice"),
        ("1,1,0.9,certain\n", "a record with itself"),
        ("1,9,0.9,certain\n", "the truth does not know"),
        ("1,2,high,certain\n", "line 2: the score is no number"),
        ("1,2,7,certain\n", "between 0 and 1"),
        ("1,2\n", "too few fields"),
    ],
)
def test_evaluate_refuses_pairs_that_no_run_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pairs: str, said: str
) -> None:
    found, truth = tmp_path / "p.csv", tmp_path / "t.csv"
    found.write_text("customer_id_a,customer_id_b,score,grade\n" + pairs)
    truth.write_text("customer_id,entity_id\n1,a\n2,a\n")
    assert main(["evaluate", str(found), "--truth", str(truth)]) == 1
    assert said in capsys.readouterr().err


def test_help_loads_neither_numpy_nor_a_server_client() -> None:
    code = (
        "import sys\nfrom dedupe_detector.__main__ import main\nmain(['--help'])\n"
        "heavy = {'numpy', 'sqlalchemy', 'confluent_kafka', 'pydantic', 'phonenumbers'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_wrong_micro_batch_is_wrong_usage(customers: Path, tmp_path: Path) -> None:
    assert main(["match", str(customers), "--output", str(tmp_path / "p.csv"), "--micro-batch", "0"]) == 2


def test_a_table_to_evaluate_with_has_its_bad_line_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs, truth = tmp_path / "pairs.csv", tmp_path / "truth.csv"
    pairs.write_bytes(b"customer_id_a,customer_id_b,score,grade\n1,2,0.9,CERTAIN\n1,\xff,0.9,CERTAIN\n")
    truth.write_text("customer_id,entity_id\n1,x\n2,x\n")
    assert main(["evaluate", str(pairs), "--truth", str(truth)]) == 1
    assert f"{pairs}: line 3 is not UTF-8" in capsys.readouterr().err
