"""A profile's story as it is written in story.yaml: steps with words, and at most one action each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from event_runtime.faults import Fault

Cell = str | int | bool | None
Rows = list[list[Cell]]


class StoryUnreadable(Fault):
    """A story.yaml is not as it must be."""


class Step(BaseModel):
    """A step without an action: a heading begins a chapter, and then words are said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heading: str | None = None
    say: str | None = None


class Show(Step):
    """Print what a query finds; with `expect`, exactly these rows, compared as text."""

    show: str
    title: str | None = None
    expect: Rows | None = None


class Until(Step):
    """As Show, but waited for: what a service does by itself."""

    until: str
    title: str | None = None
    expect: Rows


class Sql(Step):
    """What the application does to its own tables meanwhile."""

    sql: str


class Previewed(Step):
    """`merge-worker preview`: the fields of MergeCustomers. `moves` counts rows of the tables it names."""

    preview: dict[str, Any]
    eligible: bool = True
    rules: tuple[str, ...] = ()
    moves: dict[str, int] = {}


class Submitted(Step):
    """`merge-worker submit --wait`; without `wait` it is only published."""

    submit: dict[str, Any]
    wait: bool = True
    outcome: str = "MergeCompleted"
    rules: tuple[str, ...] = ()
    keep: dict[str, str] = {}


class Undone(Step):
    """`merge-worker unmerge`."""

    unmerge: str
    mode: str = "LINEAR"
    outcome: str = "MergeCompleted"
    rules: tuple[str, ...] = ()
    keep: dict[str, str] = {}


class _Ran(Step):
    input: str = ""
    exit: int = 0
    prints: tuple[str, ...] = ()
    shown: bool = True


class Worker(_Ran):
    """Any other command of merge-worker."""

    worker: tuple[str, ...]


class Desk(_Ran):
    """Any command of review-desk."""

    desk: tuple[str, ...]


class Told(Step):
    """What other systems learned: the next event of that type; `expect` names dotted fields."""

    told: str
    expect: dict[str, Cell] = {}


AnyStep = Show | Until | Sql | Previewed | Submitted | Undone | Worker | Desk | Told | Step

_ACTIONS: dict[str, type[Step]] = {
    "show": Show,
    "until": Until,
    "sql": Sql,
    "preview": Previewed,
    "submit": Submitted,
    "unmerge": Undone,
    "worker": Worker,
    "desk": Desk,
    "told": Told,
}


class Story(BaseModel):
    """A whole story.

    `worker` and `desk` are settings of these services without their prefixes. `names` stand for ids that nobody can
    read, in what is printed about them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    system: str
    tenant: str = "default"
    worker: dict[str, str] = {}
    desk: dict[str, str] = {}
    names: dict[str, str] = {}
    steps: list[dict[str, Any]]

    def step(self, number: int, kept: dict[str, str]) -> AnyStep:
        """Step `number` (from 1), with what earlier steps kept put in. Raises StoryUnreadable."""
        written = _filled(self.steps[number - 1], kept)
        actions = [key for key in written if key in _ACTIONS]
        if len(actions) > 1:
            raise StoryUnreadable(f"step {number} has several actions: {', '.join(actions)}; give each a step")
        model = _ACTIONS[actions[0]] if actions else Step
        try:
            step: AnyStep = model.model_validate(written)
        except ValidationError as fault:
            raise StoryUnreadable(f"step {number}: {_reason(fault)}") from None
        return step


def read_story(path: Path) -> Story:
    """Read a story and check every step. Raises StoryUnreadable."""
    try:
        story = Story.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        for number in range(1, len(story.steps) + 1):
            story.step(number, {})
    except (OSError, yaml.YAMLError) as fault:
        raise StoryUnreadable(f"{path}: {' '.join(str(fault).split())}") from None
    except ValidationError as fault:
        raise StoryUnreadable(f"{path}: {_reason(fault)}") from None
    except StoryUnreadable as fault:
        raise StoryUnreadable(f"{path}: {fault}") from None
    return story


def _filled(value: Any, kept: dict[str, str]) -> Any:
    """The value with every {name} that was kept replaced; other braces stay."""
    if isinstance(value, str):
        for name, text in kept.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {key: _filled(each, kept) for key, each in value.items()}
    return [_filled(each, kept) for each in value] if isinstance(value, list) else value


def _reason(fault: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in fault.errors())
