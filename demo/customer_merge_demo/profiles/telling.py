"""Tells a profile's story: does each step, prints it, and holds what happened against what the story expects."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from customer_merge_demo.orchestration.processes import ProcessEnded
from customer_merge_demo.orchestration.programs import DESK, MERGE_WORKER
from customer_merge_demo.orchestration.story import last_lines_told
from customer_merge_demo.profiles import Profile
from customer_merge_demo.profiles.ears import TOPIC, Ears
from customer_merge_demo.profiles.page import Page
from customer_merge_demo.profiles.script import (
    AnyStep,
    Desk,
    Previewed,
    Rows,
    Show,
    Sql,
    Step,
    Story,
    Submitted,
    Told,
    Undone,
    Until,
    Worker,
    read_story,
)
from customer_merge_demo.profiles.stage import Stage, set_stage
from customer_merge_demo.profiles.words import (
    event_words,
    outcome_words,
    preview_choices,
    preview_fields,
    preview_rows,
    preview_words,
)
from event_runtime.faults import Fault

_PATIENCE_S = 20.0
_LOOK_AGAIN_S = 0.1
_REQUESTER = {"id": "demo", "roles": ["merge"]}


class OtherwiseThanTold(Fault):
    """Something did not happen as the story expects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a story came to."""

    profile: str
    steps: int
    expectations: int
    seconds: float


def tell(profile: Profile, logs: Path, say: Callable[[str], None]) -> Telling:
    """Tell the story to its end; `say` hears of what is not part of it.

    Raises OtherwiseThanTold at the first expectation that does not hold, other Faults for what keeps it from its end.
    """
    began_at = time.monotonic()
    story = read_story(profile.file("story.yaml"))
    page = Page(story.names)
    page.title(
        story.title,
        f"A story of {story.system}, on servers of its own. Commands are shown without their id, tenant, reason and"
        " who asks, unless that matters.",
    )
    say("starting the database, the bus, the merge worker and the review desk")
    with last_lines_told(), set_stage(profile, story, logs) as stage:
        ears = Ears(stage.servers.kafka, stage.servers.topics[TOPIC], stage.servers.partitions[TOPIC])
        try:
            teller = _Teller(story=story, stage=stage, page=page, ears=ears)
            teller.tell()
        finally:
            ears.close()
            say("stopping everything")
    return Telling(
        profile=profile.name,
        steps=len(story.steps),
        expectations=teller.held,
        seconds=time.monotonic() - began_at,
    )


@dataclass(slots=True, kw_only=True)
class _Teller:
    """Goes through the steps. `held` counts the expectations that held so far."""

    story: Story
    stage: Stage
    page: Page
    ears: Ears
    held: int = 0
    _kept: dict[str, str] = field(default_factory=dict)
    _commands: int = 0

    def tell(self) -> None:
        """Every step, and at last the checks that every story ends with."""
        for number in range(1, len(self.story.steps) + 1):
            step = self.story.step(number, self._kept)
            try:
                self._do(step)
            except ProcessEnded:
                raise
            except Fault as fault:
                raise OtherwiseThanTold(f"step {number} of the story of {self.story.system}: {fault}") from None
        self.page.chapter("Is everything as it should be?")
        self._run(MERGE_WORKER, ("verify", "--all"), Worker(worker=()))
        self._run(MERGE_WORKER, ("audit", "verify"), Worker(worker=()))

    def _do(self, step: AnyStep) -> None:
        if step.heading is not None:
            self.page.chapter(step.heading)
        if step.say is not None:
            self.page.words(step.say)
        match step:
            case Show():
                self._show(step.title, step.show, step.expect)
            case Until():
                self._until(step)
            case Sql():
                self.page.sql(step.sql)
                self.stage.rows(step.sql)
            case Previewed():
                self._preview(step)
            case Submitted():
                self._submit(step)
            case Undone():
                self._undo(step)
            case Worker():
                self._run(MERGE_WORKER, step.worker, step)
            case Desk():
                self._run(DESK, step.desk, step)
            case Told():
                self._told(step)
            case Step():
                pass

    def _show(self, title: str | None, query: str, expected: Rows | None) -> None:
        columns, rows = self.stage.rows(query)
        self.page.table(title, columns, rows)
        if expected is not None:
            self._expect(_texts(expected), _texts(rows), "rows")

    def _until(self, step: Until) -> None:
        until = time.monotonic() + _PATIENCE_S
        while _texts(self.stage.rows(step.until)[1]) != _texts(step.expect) and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_S)
        self._show(step.title, step.until, step.expect)

    def _preview(self, step: Previewed) -> None:
        self.page.command(MERGE_WORKER, ("preview", "-"), step.preview)
        command = self._command(step.preview)
        answer = self.stage.run(MERGE_WORKER, "preview", "-", "--json", given=json.dumps(command))
        shown = _document(answer)
        preview = shown[0]["preview"]
        self.page.lines(preview_words(preview))
        rows, fields, choices = preview_rows(preview), preview_fields(preview), preview_choices(preview)
        if fields:
            columns = ("field", "afterwards", "from", "by", "the others have")
            self.page.table("Fields in which the records differ", columns, fields)
        if choices:
            self.page.table("Rows to choose among", ("table", "id", "customer", "what it says"), choices)
        if rows:
            self.page.table("Rows that would follow", ("table", "would move", "put aside"), rows)
        self._expect(step.eligible, preview["eligible"], "eligible")
        self._expect(sorted(step.rules), sorted({one["rule"] for one in preview["failures"]}), "failing rules")
        moves = {move["table"]: move["rows"] for move in preview["moves"]}
        for table, count in step.moves.items():
            self._expect(count, moves.get(table, 0), f"rows of {table} that would move")

    def _submit(self, step: Submitted) -> None:
        waiting = ("--wait",) if step.wait else ()
        self.page.command(MERGE_WORKER, ("submit", "-", *waiting), step.submit)
        command = self._command(step.submit)
        limit = ("--timeout", f"{_PATIENCE_S:g}") if step.wait else ()
        answer = self.stage.run(MERGE_WORKER, "submit", "-", *waiting, *limit, given=json.dumps(command))
        if step.wait and not answer.stdout:
            about = (command["command_id"], "--tenant", self.story.tenant)
            raise OtherwiseThanTold(f"{_last_words(answer)}\n{self.stage.run(MERGE_WORKER, 'status', *about).stdout}")
        if step.wait:
            self._outcome(answer, step)
        elif answer.returncode:
            raise OtherwiseThanTold(_last_words(answer))

    def _undo(self, step: Undone) -> None:
        arguments = ("unmerge", step.unmerge, "--mode", step.mode, "--wait")
        self.page.command(MERGE_WORKER, arguments)
        self._outcome(self.stage.run(MERGE_WORKER, *arguments), step)

    def _outcome(self, answer: subprocess.CompletedProcess[str], step: Submitted | Undone) -> None:
        outcome = _document(answer)
        self.page.lines(outcome_words(outcome))
        self._expect(step.outcome, outcome["type"], "outcome")
        self._expect(sorted(step.rules), sorted({one["rule"] for one in outcome.get("errors", ())}), "failing rules")
        self._kept.update({name: str(outcome[of]) for name, of in step.keep.items()})

    def _run(self, service: str, arguments: Sequence[str], step: Worker | Desk) -> None:
        self.page.command(service, arguments)
        answer = self.stage.run(service, *arguments, given=step.input)
        printed = answer.stdout + answer.stderr
        if step.shown:
            self.page.printed(printed)
        self._expect(step.exit, answer.returncode, "exit status")
        for text in step.prints:
            self._expect(text, text if text in printed else printed.strip(), "what it prints")

    def _told(self, step: Told) -> None:
        event = self.ears.next(step.told, _PATIENCE_S)
        self.page.blank()
        self.page.lines(event_words(step.told, event))
        for path, expected in step.expect.items():
            self._expect(_text(expected), _text(_at(event, path)), path)

    def _command(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        self._commands += 1
        return {
            "tenant_id": self.story.tenant,
            "command_id": f"demo-{self._commands}",
            "requested_by": _REQUESTER,
            "reason": "the same customer",
            **fields,
        }

    def _expect(self, expected: object, seen: object, what: str) -> None:
        if expected != seen:
            raise OtherwiseThanTold(f"{what}: expected {expected}, seen {seen}")
        self.held += 1


def _document(answer: subprocess.CompletedProcess[str]) -> Any:
    """The JSON document that a command printed; a refusal is one too, whatever the exit status."""
    try:
        return json.loads(answer.stdout)
    except ValueError:
        raise OtherwiseThanTold(_last_words(answer)) from None


def _last_words(answer: subprocess.CompletedProcess[str]) -> str:
    return (answer.stderr or answer.stdout).strip().rpartition("\n")[
        2
    ] or f"it said nothing, status {answer.returncode}"


def _at(event: Mapping[str, Any], path: str) -> object:
    """The value at a dotted path; a number is a place in a list."""
    value: Any = event
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _texts(rows: Sequence[Sequence[object]]) -> list[list[str | None]]:
    return [[_text(value) for value in row] for row in rows]


def _text(value: object) -> str | None:
    if value is None:
        return None
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
