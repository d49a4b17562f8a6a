"""What the documents say is there is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "schemas" / "README.md"])
PATH_PAGE = ROOT / "docs" / "path-of-a-command.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert missing == []


def _sections() -> list[tuple[str, str]]:
    """(file, text) for each numbered step of the page."""
    parts = re.split(r"^## \d+\. `([^`]+)`.*$", PATH_PAGE.read_text(), flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _names(source: Path) -> set[str]:
    tree = ast.parse(source.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_the_path_of_a_command_takes_at_most_eight_files() -> None:
    assert 1 <= len(_sections()) <= 8


@pytest.mark.parametrize(("file", "told"), _sections(), ids=[file for file, _ in _sections()])
def test_the_page_that_walks_the_path_of_a_command_is_true(file: str, told: str) -> None:
    source = ROOT / file
    assert source.is_file()
    step = told.split("\n## ", maxsplit=1)[0]
    mentioned = {part for name in re.findall(r"`([A-Za-z_]+(?:\.[a-z_]+)?)`", step) for part in name.split(".")}
    of_this_file = mentioned & _names(source)
    assert of_this_file, f"the page names nothing that {file} defines"
    # what the page says is done here is a function or class of this file, a package, or a value of the design
    elsewhere = {name for path in (ROOT / "libs").rglob("*.py") for name in _names(path)}
    packages = {path.name for path in (ROOT / "libs").iterdir()}
    assert mentioned - of_this_file - elsewhere - packages == set()
