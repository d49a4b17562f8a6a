"""Files in and out: customers, pairs, clusters and models. What is written appears whole or not at all."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import IO, Final

from customer_identity.customer_csv import CsvProblem, utf8_lines
from customer_identity.evaluation import FoundPair
from customer_identity.matching.model import Model, parse_model
from event_runtime.faults import Fault

PAIR_COLUMNS: Final = ("customer_id_a", "customer_id_b", "score", "grade")
CLUSTER_COLUMNS: Final = ("customer_id", "entity_id")


class FileProblem(Fault):
    """A file cannot be read or written."""


@contextmanager
def reading(path: Path, *, errors: str = "surrogateescape") -> Iterator[IO[str]]:
    """A UTF-8 text file with its line ends as they are, for utf8_lines. Raises FileProblem when there is none."""
    try:
        with path.open(encoding="utf-8-sig", errors=errors, newline="") as lines:
            yield lines
    except IsADirectoryError as error:
        raise FileProblem(f"{path} is a directory, not a file") from error
    except FileNotFoundError as error:
        raise FileProblem(f"{path}: no such file") from error
    except PermissionError as error:
        raise FileProblem(f"{path}: permission denied") from error


@contextmanager
def writing(path: Path) -> Iterator[IO[str]]:
    """A file that takes its name only when the block ends without a fault; until then it is a neighbour."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="") as out:
            yield out
        beside.replace(path)
    except OSError as error:
        raise FileProblem(f"{path} cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)


def pair_writer(out: IO[str]) -> Callable[[Iterable[Sequence[str]]], None]:
    """Writes the header of pairs.csv; returns what writes its rows."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(PAIR_COLUMNS)
    return writer.writerows


def write_clusters(path: Path, clusters: Iterable[tuple[str, str]]) -> None:
    """Writes clusters.csv."""
    with writing(path) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(CLUSTER_COLUMNS)
        writer.writerows(clusters)


def read_pairs(path: Path) -> Iterator[FoundPair]:
    """The rows of a pairs.csv. Raises FileProblem."""
    for line, row in _rows(path, PAIR_COLUMNS):
        try:
            score = float(row["score"])
        except ValueError as error:
            raise FileProblem(f"{path} line {line}: the score is no number") from error
        if not 0.0 <= score <= 1.0:
            raise FileProblem(f"{path} line {line}: a score lies between 0 and 1")
        yield FoundPair(a=row["customer_id_a"], b=row["customer_id_b"], score=score, grade=row["grade"])


def read_column(path: Path, value: str) -> Mapping[str, str]:
    """One column of a CSV by customer_id. Raises FileProblem."""
    return {row["customer_id"]: row[value] for _, row in _rows(path, ("customer_id", value))}


def shipped_model() -> Model:
    """The model that comes with this version."""
    text = resources.files("customer_identity.matching").joinpath("model.json").read_text(encoding="utf-8")
    return parse_model(text)


def read_model(path: Path) -> Model:
    """A model from a file. Raises FileProblem or ModelError."""
    with reading(path, errors="strict") as lines:
        try:
            text = lines.read()
        except UnicodeDecodeError as error:
            raise FileProblem(f"{path} is no text, so no model") from error
    return parse_model(text)


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    with reading(path) as lines:
        rows = csv.DictReader(utf8_lines(lines), strict=True)
        try:
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise FileProblem(f"{path} has no column {missing[0]}: it needs {', '.join(columns)}")
            for row in rows:
                if any(row[name] is None for name in columns):
                    raise FileProblem(f"{path} line {rows.line_num} has too few fields")
                yield rows.line_num, row
        except CsvProblem as error:
            raise FileProblem(f"{path} {error}") from error
        except csv.Error as error:
            raise FileProblem(f"{path} line {rows.line_num} is no valid CSV: {error}") from error
