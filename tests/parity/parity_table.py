"""The README's parity table, made from rows.yaml and from the tests that name its rows.

`python tests/parity/parity_table.py` writes the table between its markers; `make docs` calls it.
"""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

PARITY = Path(__file__).resolve().parent
README = PARITY.parents[1] / "README.md"
BEGIN, END = "<!-- parity:begin (made by `make docs`) -->", "<!-- parity:end -->"

NO_PROFILE = "beyond"
"""Stands for the profile of sections that no single system goes with; their tests are in test_beyond_*.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system we must out-do; `rows` are its sentences by key."""

    name: str
    kind: str
    profile: str
    rows: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A test, and the rows (system, key) that its marks name."""

    path: Path
    test: str
    rows: Sequence[tuple[str, str]]


def systems() -> list[System]:
    """The systems in the order of rows.yaml."""
    content = yaml.safe_load((PARITY / "rows.yaml").read_text(encoding="utf-8"))
    return [
        System(name=name, kind=one["kind"], profile=one["profile"], rows=one["rows"]) for name, one in content.items()
    ]


def proofs() -> list[Proof]:
    """Every test of this directory, read without importing it."""
    return [proof for path in sorted(PARITY.glob("test_*.py")) for proof in _proofs_of(path)]


def table() -> str:
    """The table in Markdown, with its markers."""
    found = proofs()
    lines = [BEGIN]
    for system in systems():
        lines += ["", f"**{system.name}** ({system.kind}){_demonstration(system)}", ""]
        lines += ["| it can | shown by |", "|---|---|"]
        for key, sentence in system.rows.items():
            shown_by = [_link(proof) for proof in found if (system.name, key) in proof.rows]
            lines.append(f"| {sentence} | {'<br>'.join(shown_by)} |")
    return "\n".join([*lines, "", END])


def with_table(readme: str) -> str:
    """The README with the table as it should be. Raises ValueError when a marker is missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md lacks the markers {BEGIN} and {END}")
    return f"{before}{table()}{after}"


def main() -> int:
    """Write the table into the README."""
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _demonstration(system: System) -> str:
    return "" if system.profile == NO_PROFILE else f": `customer-merge demo --profile {system.profile}`"


def _proofs_of(path: Path) -> Iterator[Proof]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            rows = [row for mark in node.decorator_list if (row := _row(mark)) is not None]
            yield Proof(path=path, test=node.name, rows=rows)


def _row(mark: ast.expr) -> tuple[str, str] | None:
    if not (isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.parity"):
        return None
    named = {argument.arg: ast.literal_eval(argument.value) for argument in mark.keywords}
    return named["system"], named["row"]


def _link(proof: Proof) -> str:
    words = proof.test.removeprefix("test_").replace("_", " ")
    return f"[{words}](tests/parity/{proof.path.name})"


if __name__ == "__main__":
    sys.exit(main())
