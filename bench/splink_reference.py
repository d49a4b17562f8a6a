"""Splink 4 on customers in our format: `python splink_reference.py batch|arrivals …`, one JSON object on stdout.

Runs in a virtual environment of its own (splink_venv), so it imports nothing of this project. The settings are those
of Splink's own examples for people (comparisons of its library, frequencies of values, expectation-maximisation
without labels), for those columns that a file has, with blocking rules as broad as its speed is not hurt by.
"""

import argparse
import json
import logging
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

# As far as `match` tells of pairs: from "possible" on.
LOWEST_PROBABILITY = 0.05
RANDOM_PAIRS = 2_000_000
SEED = 1
# Two values that name few people: a pair that shares both is worth comparing. Splink compares all pairs of each rule.
BLOCKS = (
    ("email",),
    ("phone",),
    ("national_id",),
    ("date_of_birth",),
    ("postal_code",),
    ("given_name", "family_name"),
    ("substr(given_name, 1, 3)", "substr(family_name, 1, 4)"),
    ("substr(given_name, 1, 2)", "substr(family_name, 1, 2)", "substr(date_of_birth, 1, 4)"),
    ("family_name", "city"),
    ("given_name", "city"),
    ("family_name", "substr(date_of_birth, 1, 4)"),
    ("given_name", "substr(date_of_birth, 1, 4)"),
    ("substr(postal_code, 1, 3)", "given_name"),
    ("substr(postal_code, 1, 3)", "family_name"),
    ("street", "city"),
    ("split_part(email, '@', 1)",),
    ("substr(email, 1, 6)",),
    ("substr(phone, 1, 7)", "substr(given_name, 1, 1)"),
)
# The share of duplicates, from rules that are nearly always right.
SURE = (
    ("given_name", "family_name", "date_of_birth"),
    ("given_name", "family_name", "email"),
    ("given_name", "family_name", "phone"),
    ("given_name", "family_name", "postal_code"),
)
RECALL_OF_SURE = 0.6
# Each pass of expectation-maximisation learns all fields but those it blocks on.
TRAINING = (("given_name", "family_name"), ("date_of_birth",), ("email",), ("phone",), ("postal_code",))
LOOK_UP = (
    ("email",),
    ("phone",),
    ("given_name", "family_name"),
    ("family_name", "date_of_birth"),
    ("given_name", "date_of_birth"),
    ("postal_code", "family_name"),
)


NAME = re.compile(r"[a-z_]+")
SQL = {"substr", "split_part"}


class Phases:
    """Seconds by phase of the work."""

    def __init__(self) -> None:
        """Nothing measured yet."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measure a phase."""
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)


def main() -> int:
    """Run one of the two measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    batch = commands.add_parser("batch", help="train and predict over a whole file")
    batch.add_argument("records", type=Path)
    batch.add_argument("--output", type=Path, required=True, help="pairs.csv as `match` writes it")
    arrivals = commands.add_parser("arrivals", help="records a second of find_matches_to_new_records")
    arrivals.add_argument("base", type=Path)
    arrivals.add_argument("arrivals", type=Path)
    arrivals.add_argument("--batches", type=int, nargs="+", default=[1, 100, 1_000])
    arrivals.add_argument("--seconds", type=float, default=10.0, help="how long each batch size is measured")
    arguments = parser.parse_args()
    logging.getLogger("splink").setLevel(logging.ERROR)
    if arguments.command == "batch":
        told = whole_file(arguments.records, arguments.output)
    else:
        told = new_records(arguments.base, arguments.arrivals, arguments.batches, arguments.seconds)
    print(json.dumps(told))
    return 0


def whole_file(records: Path, output: Path) -> dict[str, object]:
    """Train on a file and write its pairs."""
    phases = Phases()
    with phases("read"):
        connection = duckdb.connect()
        columns = read(connection, records, "customers")
    linker = trained(connection, columns, phases)
    with phases("predict"):
        found = linker.inference.predict(threshold_match_probability=LOWEST_PROBABILITY)
    with phases("write"):
        connection.execute(
            "COPY (SELECT unique_id_l AS customer_id_a, unique_id_r AS customer_id_b,"
            " round(match_probability, 6) AS score, 'possible' AS grade"
            f" FROM {found.physical_name}) TO '{output}' (HEADER)"
        )
        (pairs,) = connection.execute(f"SELECT count(*) FROM {found.physical_name}").fetchone() or (0,)
    return {"pairs": pairs, "phases": phases.seconds, "peak_memory_mb": peak_memory_mb()}


def new_records(base: Path, arrivals: Path, batches: list[int], seconds: float) -> dict[str, object]:
    """Records a second against a base, by batch size; training is not counted, nor is the first call of each size."""
    connection = duckdb.connect()
    columns = read(connection, base, "customers")
    read(connection, arrivals, "arrivals", only=columns)
    phases = Phases()
    linker = trained(connection, columns, phases, lean=True)
    with phases("frequencies"):
        for column in frequency_columns(columns):
            linker.table_management.compute_tf_table(column)
    rules = [block_on(*rule) for rule in those_of(LOOK_UP, columns)]
    (known,) = connection.execute("SELECT count(*) FROM arrivals").fetchone() or (0,)
    rates: dict[str, float] = {}
    for size in batches:
        starts = iter(range(0, known - size + 1, size))
        done, spent = 0, 0.0
        for number, first in enumerate(starts):
            some = f"SELECT * FROM arrivals ORDER BY unique_id LIMIT {size} OFFSET {first}"
            connection.execute(f"CREATE OR REPLACE TABLE batch AS {some}")
            started = time.perf_counter()
            found = linker.inference.find_matches_to_new_records("batch", blocking_rules=rules)
            found.drop_table_from_database_and_remove_from_cache()
            if number:
                done, spent = done + size, spent + time.perf_counter() - started
            if spent > seconds:
                break
        rates[f"records_per_s_{size}"] = round(done / spent, 2)
    return {**rates, "phases": phases.seconds, "peak_memory_mb": peak_memory_mb()}


def read(connection: duckdb.DuckDBPyConnection, records: Path, table: str, only: list[str] | None = None) -> list[str]:
    """Load a file: values trimmed and in lower case, digits of phones, empty is absent; the columns with values."""
    source = f"read_csv('{records}', all_varchar = true, header = true)"
    names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    cleaned = {name: f"nullif(lower(trim({name})), '')" for name in names}
    if "phone" in names:
        cleaned["phone"] = (
            "nullif(right(regexp_replace(regexp_replace(lower(phone), 'x.*', ''), '[^0-9]', '', 'g'), 10), '')"
        )
    if {"full_name", "given_name", "family_name"} <= set(names):
        cleaned["given_name"] = f"coalesce({cleaned['given_name']}, split_part({cleaned['full_name']}, ' ', 1))"
        cleaned["family_name"] = f"coalesce({cleaned['family_name']}, split_part({cleaned['full_name']}, ' ', -1))"
    cleaned["customer_id"] = "customer_id"
    values = ", ".join(
        f"{value} AS {'unique_id' if name == 'customer_id' else name}" for name, value in cleaned.items()
    )
    connection.execute(f"CREATE TABLE {table} AS SELECT {values} FROM {source}")
    if only is None:
        filled = ", ".join(f"count({name})" for name in names if name != "customer_id")
        counts = connection.execute(f"SELECT {filled} FROM {table}").fetchone() or ()
        return [name for name, count in zip((n for n in names if n != "customer_id"), counts, strict=True) if count]
    return only


def trained(connection: duckdb.DuckDBPyConnection, columns: list[str], phases: Phases, *, lean: bool = False) -> Linker:
    """A linker over the table, with parameters learned from it without labels.

    `lean`: maximise over the kinds of pairs and not over all of them, which takes gigabytes for a large base.
    """
    settings = SettingsCreator(
        link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in those_of(BLOCKS, columns)],
        comparisons=list(comparisons(columns)),
        retain_intermediate_calculation_columns=False,
        retain_matching_columns=False,
    )
    with phases("set_up"):
        linker = Linker("customers", settings, DuckDBAPI(connection), set_up_basic_logging=False)
    with phases("train"):
        linker.training.estimate_probability_two_random_records_match(
            [block_on(*rule) for rule in those_of(SURE, columns)], recall=RECALL_OF_SURE
        )
        linker.training.estimate_u_using_random_sampling(max_pairs=RANDOM_PAIRS, seed=SEED)
        for rule in those_of(TRAINING, columns):
            linker.training.estimate_parameters_using_expectation_maximisation(
                block_on(*rule), estimate_without_term_frequencies=lean
            )
    return linker


def comparisons(columns: list[str]) -> Iterator[object]:
    """Those of Splink's library for the columns there are."""
    made: dict[str, Callable[[], object]] = {
        "given_name": lambda: cl.NameComparison("given_name").configure(term_frequency_adjustments=True),
        "family_name": lambda: cl.NameComparison("family_name").configure(term_frequency_adjustments=True),
        "date_of_birth": lambda: cl.DateOfBirthComparison("date_of_birth", input_is_string=True),
        "email": lambda: cl.EmailComparison("email").configure(term_frequency_adjustments=True),
        "phone": lambda: cl.LevenshteinAtThresholds("phone", [1, 2]).configure(term_frequency_adjustments=True),
        "street": lambda: cl.JaroWinklerAtThresholds("street", [0.9, 0.8]).configure(term_frequency_adjustments=True),
        "postal_code": lambda: cl.LevenshteinAtThresholds("postal_code", [1, 2]),
        "city": lambda: cl.JaroWinklerAtThresholds("city", 0.88).configure(term_frequency_adjustments=True),
        "national_id": lambda: cl.LevenshteinAtThresholds("national_id", [1, 2]),
        "occupation": lambda: cl.ExactMatch("occupation").configure(term_frequency_adjustments=True),
        "gender": lambda: cl.ExactMatch("gender"),
    }
    return (make() for name, make in made.items() if name in columns)


def frequency_columns(columns: list[str]) -> list[str]:
    """Columns whose values count by how common they are."""
    return [n for n in ("given_name", "family_name", "email", "phone", "street", "city", "occupation") if n in columns]


def those_of(rules: tuple[tuple[str, ...], ...], columns: list[str]) -> list[tuple[str, ...]]:
    """Rules whose columns the file has."""
    known = (
        "email",
        "phone",
        "national_id",
        "given_name",
        "family_name",
        "date_of_birth",
        "city",
        "postal_code",
        "street",
    )
    return [rule for rule in rules if all(name in columns for name in known if any(name in part for part in rule))]


def peak_memory_mb() -> float:
    """Of this process."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    sys.exit(main())
