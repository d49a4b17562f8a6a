"""Files that commands write: they appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from event_runtime.faults import Fault


class FileProblem(Fault):
    """A file cannot be read or written."""


@contextmanager
def writing(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 text file that takes its name only when the block ends without a fault; until then it is a neighbour.

    Raises FileProblem when it cannot be written.
    """
    with _beside(path) as neighbour, neighbour.open("w", encoding="utf-8", newline="") as out:
        yield out


@contextmanager
def writing_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The same for bytes."""
    with _beside(path) as neighbour, neighbour.open("wb") as out:
        yield out


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield neighbour
        neighbour.replace(path)
    except OSError as error:
        raise FileProblem(f"{path} cannot be written: {error.strerror}") from error
    finally:
        neighbour.unlink(missing_ok=True)
