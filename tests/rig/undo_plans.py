"""Plans over the reference store that histories of merges and undos are held against, each in two versions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import merge_engine
from merge_engine import MergeEngine
from merge_engine.compiled_plan import compile_plan
from merge_engine.plan_file import Plan

DEFAULT = Path(merge_engine.__file__).parent / "plans" / "default.yaml"
CHUNK_ROWS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanUnderTest:
    """A plan as two versions of it: histories merge by both, and one of them may be undone as a whole.

    `deletes`: losers' records go, and nothing can be written under their ids. `keeps`: tables in which rows that lose
    stay with their customer. `large`: rows may follow in chunks.
    """

    name: str
    engines: tuple[MergeEngine, MergeEngine]
    deletes: bool = False
    keeps: frozenset[str] = frozenset()
    large: bool = False


def _versions(change: Callable[[dict[str, Any]], None]) -> tuple[MergeEngine, MergeEngine]:
    return _engine(change, 1), _engine(change, 2)


def _engine(change: Callable[[dict[str, Any]], None], revision: int) -> MergeEngine:
    plan = yaml.safe_load(DEFAULT.read_text("utf-8"))
    plan["revision"] = revision
    change(plan)
    return MergeEngine(compile_plan(Plan.model_validate(plan), "merge"), source="default")


def _link(_: dict[str, Any]) -> None:
    """As it is."""


def _delete(plan: dict[str, Any]) -> None:
    plan["disposition"] = {"kind": "delete"}


def _keep(plan: dict[str, Any]) -> None:
    plan["disposition"] = {"kind": "inactivate", "set": {"status": "INACTIVE"}}
    children = {child["table"]: child for child in plan["children"]}
    children["store.customer_tags"]["collision"]["losing_rows"] = "keep_on_loser"
    children["store.loyalty_accounts"]["losing_rows"] = "keep_on_loser"


def _in_chunks(plan: dict[str, Any]) -> None:
    # Customers have about three rows that can follow: some merges are large, some are not.
    plan["inline_rows"] = 3


def _deleted_in_chunks(plan: dict[str, Any]) -> None:
    _delete(plan)
    _in_chunks(plan)


PLANS = (
    PlanUnderTest(name="link", engines=_versions(_link)),
    PlanUnderTest(name="inactivate and keep", engines=_versions(_keep), keeps=frozenset({"customer_tags"})),
    PlanUnderTest(name="delete", engines=_versions(_delete), deletes=True),
    PlanUnderTest(name="link in chunks", engines=_versions(_in_chunks), large=True),
    PlanUnderTest(name="delete in chunks", engines=_versions(_deleted_in_chunks), deletes=True, large=True),
)
