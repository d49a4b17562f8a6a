"""A base and the model as Splink takes them: the same keys, the same levels, the model's probabilities."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from customer_identity.blocking import FAMILIES, key_code
from customer_identity.comparison.fields import FIELDS
from customer_identity.customer_csv import CustomerCsv
from customer_identity.matching.model import parse_model
from customer_identity.normalise import normalise
from dedupe_detector.__main__ import main
from dedupe_detector.adapters.files import shipped_model

HEADER = "customer_id,given_name,family_name,email,phone,date_of_birth,street,city,postal_code,country\n"
ROWS = (
    "1,Anna,Marchetti,a.marchetti77@example.com,206-518-4492,1982-04-12,12 Elm St,Seattle,98101,US\n"
    '2,Ana,Marchetti,a.marchetti77@example.com,(206) 518-4492,1982-04-12,"12 Elm Street, Apt 4",Seattle,98101,US\n'
    "3,Dmitri,Okafor,dok@example.org,360-555-7781,1951-11-27,,,,\n"
)


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text(HEADER + ROWS)
    return path


@pytest.fixture
def exported(customers: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "export"
    assert main(["export-splink", str(customers), "--output", str(directory)]) == 0
    return directory


def _settings(exported: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((exported / "settings.json").read_text())
    return found


def test_each_field_is_a_comparison_with_the_levels_of_the_model_and_probabilities_that_add_up(exported: Path) -> None:
    model = shipped_model()
    settings = _settings(exported)
    comparisons = settings["comparisons"]
    assert [one["output_column_name"] for one in comparisons] == [field.name for field in FIELDS]
    assert settings["link_type"] == "dedupe_only"
    assert 0 < settings["probability_two_random_records_match"] < 1
    for field, comparison in zip(FIELDS, comparisons, strict=True):
        missing, *levels = comparison["comparison_levels"]
        assert missing["is_null_level"]
        assert [level["label_for_charts"] for level in levels] == list(reversed(field.levels)), "the best comes first"
        assert levels[-1]["sql_condition"] == "ELSE"
        for kind, expected in (("m", model.match), ("u", model.chance)):
            probabilities = [level[f"{kind}_probability"] for level in levels]
            assert sum(probabilities) == pytest.approx(1, abs=1e-12)
            assert probabilities == pytest.approx(list(reversed(expected[field.name])), rel=0.02)
        counted = "tf_adjustment_column" in levels[0]
        assert counted == (field.name in model.rarity)


def test_conditions_read_columns_that_the_records_have(exported: Path) -> None:
    with (exported / "records.csv").open(newline="") as lines:
        columns = set(next(csv.reader(lines)))
    levels = [level for one in _settings(exported)["comparisons"] for level in one["comparison_levels"]]
    named = {name for level in levels for name in re.findall(r"\b(\w+)_[lr]\b", level["sql_condition"])}
    assert named
    assert named <= columns
    assert {level["tf_adjustment_column"] for level in levels if "tf_adjustment_column" in level} <= columns


def test_records_have_the_keys_of_the_detector_with_their_families(exported: Path, customers: Path) -> None:
    with (exported / "records.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    with customers.open(newline="") as lines:
        records = [normalise(customer) for customer in CustomerCsv(lines)]
    assert [row["customer_id"] for row in rows] == ["1", "2", "3"]
    for row, record in zip(rows, records, strict=True):
        expected = {
            f"{family.number}.{key_code('default', family.number, value) % 2**64:016x}"
            for family in FAMILIES
            for value in family.values(record)
        }
        assert set(row["keys"].split(" ")) == expected
        assert row["given"] == record.given
    blocking = json.loads((exported / "blocking.json").read_text())
    assert blocking["caps"] == {str(family.number): family.cap for family in FAMILIES}
    rules = _settings(exported)["blocking_rules_to_generate_predictions"]
    assert rules == [{"blocking_rule": "l.keys = r.keys", "sql_dialect": "spark", "arrays_to_explode": ["keys"]}]


def test_the_model_goes_along_and_can_be_read_again(exported: Path) -> None:
    assert parse_model((exported / "model.json").read_text()).version == shipped_model().version


@pytest.mark.parametrize("content", ["", "full_name\nAnna\n", HEADER, HEADER + ROWS + ROWS])
def test_a_file_that_cannot_be_used_leaves_no_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    source = tmp_path / "customers.csv"
    source.write_text(content)
    assert main(["export-splink", str(source), "--output", str(tmp_path / "export")]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


def test_a_directory_that_is_there_is_left_alone(
    exported: Path, customers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _settings(exported)
    assert main(["export-splink", str(customers), "--output", str(exported)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert _settings(exported) == before
