"""The same keys, levels and probabilities for Splink on Spark, for bases beyond one machine."""

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from customer_identity.blocking import FAMILIES, MAX_CANDIDATES, enough_rarity, key_code
from customer_identity.comparison.fields import FIELDS
from customer_identity.matching.model import Model, format_model
from customer_identity.normalise.record import NormalisedRecord
from customer_identity.normalise.text import digits_of
from dedupe_detector.adapters.progress import Progress
from dedupe_detector.adapters.splink_levels import SPARK_COMPARISONS
from event_runtime.faults import Fault
from event_runtime.files import FileProblem

RECORDS, SETTINGS, BLOCKING, MODEL = "records.csv", "settings.json", "blocking.json", "model.json"
_FOR_APPROVAL_ONLY: Final = frozenset({"email_strict", "phone_strict", "look_alike"})
_VALUES: Final = tuple(name for name in NormalisedRecord._fields if name not in _FOR_APPROVAL_ONLY)
_COLUMNS: Final = ("place", "customer_id", "source", *_VALUES, "email", "email_digits", "dwelling", "keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written."""

    records: int
    model_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCustomer:
    """A customer of the base, in the order in which they came."""

    tenant_id: str
    customer_id: str
    source: str
    record: NormalisedRecord


def export_splink(customers: Iterable[ExportedCustomer], model: Model, output: Path) -> ExportReport:
    """Writes the directory whole or not at all. Raises FileProblem."""
    with _directory(output) as beside, Progress("export-splink") as progress:
        records = _write_records(beside / RECORDS, customers, progress.done)
        if not records:
            raise Fault("there are no customers to export")
        _write_json(beside / SETTINGS, splink_settings(model, records))
        _write_json(beside / BLOCKING, _blocking(model, records))
        (beside / MODEL).write_text(format_model(model), encoding="utf-8")
    return ExportReport(records=records, model_version=model.version)


def splink_settings(model: Model, records: int) -> dict[str, Any]:
    """Settings as Splink 4 and 5 load them, in the dialect of Spark.

    By themselves they explain agreement by chance alone; the other explanations of the model are in model.json.
    """
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "customer_id",
        "probability_two_random_records_match": min(model.duplicates_per_record / max(records - 1, 1), 0.5),
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": True,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": "l.keys = r.keys", "sql_dialect": "spark", "arrays_to_explode": ["keys"]}
        ],
        "comparisons": [
            {
                "output_column_name": field.name,
                "comparison_description": field.name,
                "comparison_levels": _levels(field.name, field.levels, model),
            }
            for field in FIELDS
        ],
    }


def _levels(name: str, labels: tuple[str, ...], model: Model) -> list[dict[str, Any]]:
    comparison = SPARK_COMPARISONS[name]
    match, chance = _whole(model.match[name]), _whole(model.chance[name])
    conditions = (*comparison.levels, "ELSE")
    levels: list[dict[str, Any]] = [
        {"sql_condition": comparison.missing, "label_for_charts": "missing", "is_null_level": True}
    ]
    for condition, number in zip(conditions, range(len(labels) - 1, -1, -1), strict=True):
        levels.append(
            {
                "sql_condition": condition,
                "label_for_charts": labels[number],
                "m_probability": match[number],
                "u_probability": chance[number],
            }
        )
    if comparison.frequency_column is not None and name in model.rarity:
        levels[1] |= {
            "tf_adjustment_column": comparison.frequency_column,
            "tf_adjustment_weight": 1.0,
            "disable_tf_exact_match_detection": True,
        }
    return levels


def _whole(probabilities: tuple[float, ...]) -> list[float]:
    """What people round need not add up to 1; Splink's must."""
    total = sum(probabilities)
    return [probability / total for probability in probabilities]


def _blocking(model: Model, records: int) -> dict[str, Any]:
    """What Splink's settings have no place for: how a base's keys become candidates, and how counts become rarity."""
    return {
        "caps": {str(family.number): family.cap for family in FAMILIES},
        "families": {str(family.number): family.name for family in FAMILIES},
        "enough_rarity": round(float(enough_rarity(np.array([float(records)]))[0]), 6),
        "most_candidates": MAX_CANDIDATES,
        "frequencies": {
            comparison.frequency_column: {"free_holders": rule.free_holders, "unseen": rule.unseen}
            for name, rule in model.rarity.items()
            if (comparison := SPARK_COMPARISONS[name]).frequency_column is not None
        },
    }


def _write_records(path: Path, customers: Iterable[ExportedCustomer], done: Callable[[int], None]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for customer in customers:
            writer.writerow(_row(count, customer))
            count += 1
            if count % 1_000 == 0:
                done(1_000)
    return count


def _row(number: int, customer: ExportedCustomer) -> list[object]:
    r = customer.record
    keys = {
        f"{family.number}.{key_code(customer.tenant_id, family.number, value) & (2**64 - 1):016x}": None
        for family in FAMILIES
        for value in family.values(r)
    }
    dwelling = f"{r.number} {r.street} {r.postcode}" if r.street and r.number else r.street
    values = [value for name, value in zip(r._fields, r, strict=True) if name not in _FOR_APPROVAL_ONLY]
    email = f"{r.email_local}@{r.email_domain}" if r.email_local else ""
    own = (number, customer.customer_id, customer.source)
    return [*own, *values, email, digits_of(r.email_local), dwelling, " ".join(keys)]


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _directory(path: Path) -> Iterator[Path]:
    """A directory that takes its name only when the block ends without a fault."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    if path.exists():
        raise FileProblem(f"{path} is there already: move it away or give another name")
    try:
        beside.mkdir()
        yield beside
        beside.rename(path)
    except OSError as error:
        raise FileProblem(f"{path} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
