"""Rows, tests and the README's table say the same."""

from pathlib import Path

from parity.parity_table import README, proofs, systems, with_table

ABOUT_THE_TABLE = Path(__file__).name


def test_every_row_has_a_test() -> None:
    shown = {row for proof in proofs() for row in proof.rows}
    rows = {(system.name, key) for system in systems() for key in system.rows}
    assert sorted(rows - shown) == []


def test_every_test_names_a_row_that_there_is() -> None:
    rows = {(system.name, key) for system in systems() for key in system.rows}
    lost = [proof.test for proof in proofs() if not set(proof.rows) & rows or set(proof.rows) - rows]
    about_the_table = [proof.test for proof in proofs() if proof.path.name == ABOUT_THE_TABLE]
    assert [test for test in lost if test not in about_the_table] == []


def test_every_row_of_a_system_is_shown_by_a_test_of_its_own_profile() -> None:
    profiles = {system.name: system.profile for system in systems()}
    strange = [
        f"{proof.path.name}: {proof.test}"
        for proof in proofs()
        for name, _ in proof.rows
        if not proof.path.name.startswith(f"test_{profiles[name]}_")
    ]
    assert strange == []


def test_the_table_of_the_readme_is_current() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme == with_table(readme), "run `make docs`"
