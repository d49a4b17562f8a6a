"""Commands of a service, run to their end in the test's own process: only the start of an interpreter is spared."""

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command wrote, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


def run_here(
    main: Callable[[Sequence[str]], int], arguments: Sequence[str], environment: Mapping[str, str], given: str = ""
) -> Answer:
    """Run a command with these settings; `given` is what it reads on standard input."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment),
        patch("sys.stdin", io.StringIO(given)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        status = main(arguments)
    assert "Traceback" not in err.getvalue()
    return Answer(status=status, out=out.getvalue(), err=err.getvalue())
