"""Files in and out: customers, pairs, clusters and models. What is written appears whole or not at all."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import IO, Final

from customer_identity.customer_csv import CsvProblem, utf8_lines
from customer_identity.evaluation import FoundPair
from customer_identity.matching.model import Model, ModelError, parse_model
from event_runtime.files import FileProblem

_GRADES: Final = ("certain", "probable", "possible")
PAIR_COLUMNS: Final = ("customer_id_a", "customer_id_b", "score", "grade")
CLUSTER_COLUMNS: Final = ("customer_id", "entity_id")


@contextmanager
def reading(path: Path, *, errors: str = "surrogateescape") -> Iterator[IO[str]]:
    """A UTF-8 text file with its line ends as they are, for utf8_lines.

    Raises FileProblem when there is none, and instead of a CsvProblem within the block, naming the file.
    """
    try:
        with path.open(encoding="utf-8-sig", errors=errors, newline="") as lines:
            yield lines
    except CsvProblem as error:
        raise FileProblem(f"{path}: {error}") from error
    except IsADirectoryError as error:
        raise FileProblem(f"{path} is a directory, not a file") from error
    except FileNotFoundError as error:
        raise FileProblem(f"{path}: no such file") from error
    except PermissionError as error:
        raise FileProblem(f"{path}: permission denied") from error


def pair_writer(out: IO[str]) -> Callable[[Iterable[Sequence[str]]], None]:
    """Writes the header of pairs.csv; returns what writes its rows."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(PAIR_COLUMNS)
    return writer.writerows


def write_clusters(out: IO[str], clusters: Iterable[tuple[str, str]]) -> None:
    """Writes clusters.csv."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CLUSTER_COLUMNS)
    writer.writerows(clusters)


def read_pairs(path: Path) -> Iterator[FoundPair]:
    """The rows of a pairs.csv. Raises FileProblem."""
    for line, row in rows_of(path, PAIR_COLUMNS):
        try:
            score = float(row["score"])
        except ValueError as error:
            raise FileProblem(f"{path} line {line}: the score is no number") from error
        if not 0.0 <= score <= 1.0:
            raise FileProblem(f"{path} line {line}: a score lies between 0 and 1")
        grade = row["grade"].lower()
        if grade not in _GRADES:
            raise FileProblem(f"{path} line {line}: a grade is one of {', '.join(_GRADES)}")
        yield FoundPair(a=row["customer_id_a"], b=row["customer_id_b"], score=score, grade=grade)


def read_entities(path: Path) -> Mapping[str, str]:
    """Entity id by customer id, of a truth or of clusters. Raises FileProblem."""
    entities = read_column(path, "entity_id", required=True)
    if not entities:
        raise FileProblem(f"{path} holds a header and no customer")
    return entities


def read_column(path: Path, value: str, *, required: bool = False) -> Mapping[str, str]:
    """One column of a CSV by customer_id; with `required` no line may leave it empty. Raises FileProblem."""
    out: dict[str, str] = {}
    for line, row in rows_of(path, ("customer_id", value)):
        for column in ("customer_id", value) if required else ("customer_id",):
            if not row[column]:
                raise FileProblem(f"{path} line {line} has no {column}")
        if row["customer_id"] in out:
            raise FileProblem(f"{path} line {line} names a customer_id again")
        out[row["customer_id"]] = row[value]
    return out


def shipped_model() -> Model:
    """The model that comes with this version."""
    text = resources.files("customer_identity.matching").joinpath("model.json").read_text(encoding="utf-8")
    return parse_model(text)


def chosen_model(path: Path | None) -> Model:
    """The model of a file if one is named, else the shipped one. Raises FileProblem."""
    return shipped_model() if path is None else read_model(path)


def read_model(path: Path) -> Model:
    """A model from a file. Raises FileProblem."""
    with reading(path, errors="strict") as lines:
        try:
            text = lines.read()
        except UnicodeDecodeError as error:
            raise FileProblem(f"{path} is no text, so no model") from error
    try:
        return parse_model(text)
    except ModelError as error:
        raise FileProblem(f"{path}: {error}") from error


def rows_of(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a CSV with at least these columns. Raises FileProblem."""
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
        except csv.Error as error:
            raise FileProblem(f"{path} line {rows.line_num} is no valid CSV: {error}") from error
