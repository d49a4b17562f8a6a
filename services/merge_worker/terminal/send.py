"""`merge-worker submit`: publish commands, and wait for what becomes of them when asked to."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import customer_events as wire
from event_runtime.faults import Fault
from event_runtime.output import say, show_json_lines
from merge_worker.adapters.commands import Command
from merge_worker.app import App
from merge_worker.terminal.command_lines import BadLine, GoodLine, parse_lines

# Beyond this many bad lines the file is another kind of file; the rest of them say nothing new.
_MOST_BAD_LINES_SHOWN = 20


class InputUnreadable(Fault):
    """The input cannot be read."""


def submit(app: App, source: str, *, tenant_id: str | None, skip_bad: bool, wait: bool, timeout_s: float) -> int:
    """Publish the commands of a file; none of them when a line is bad, unless bad ones are to be skipped."""
    good, bad = read_commands(source, tenant_id)
    if bad and not skip_bad:
        say(f"nothing was published: {len(bad)} bad of {len(good) + len(bad)} commands")
        return 1
    status = send(app, [Command.of(line.command) for line in good], wait=wait, timeout_s=timeout_s)
    return 1 if bad else status


def send(app: App, commands: Sequence[Command], *, wait: bool, timeout_s: float) -> int:
    """Publish commands; with `wait`, print each terminal outcome as a JSON line. 1 when one is refused or missing."""
    if not wait:
        say(f"{app.client.publish(commands)} commands published")
        return 0
    if not commands:
        return 0
    outcomes = app.client.outcomes(commands, timeout_s=timeout_s)
    refused = 0
    try:
        app.client.publish(commands)
        for outcome in outcomes.terminal():
            fields = {"type": type(outcome).__name__, **json.loads(outcome.model_dump_json())}
            show_json_lines([fields])
            refused += isinstance(outcome, wire.MergeRejected)
    finally:
        outcomes.close()
    if outcomes.missing:
        missing = ", ".join(sorted(command_id for _, command_id in outcomes.missing)[:5])
        say(f"{len(outcomes.missing)} commands had no outcome within {timeout_s:g} s: {missing}")
    if refused:
        say(f"{refused} of {len(commands)} commands were refused")
    return 1 if refused or outcomes.missing else 0


def read_commands(source: str, tenant_id: str | None) -> tuple[list[GoodLine], list[BadLine]]:
    """Read commands from a file, or from standard input for `-`; complain about bad lines.

    Raises:
        InputUnreadable: there is no such file, it is no text, or it is empty.
    """
    with _opened(source) as lines:
        try:
            good, bad = parse_lines(lines, tenant_id=tenant_id, now=datetime.now(UTC))
        except UnicodeDecodeError:
            raise InputUnreadable(f"{source} is not UTF-8") from None
    if not (good or bad):
        raise InputUnreadable(f"{'standard input' if source == '-' else source} is empty: there is no command in it")
    for line in bad[:_MOST_BAD_LINES_SHOWN]:
        say(str(line))
    if len(bad) > _MOST_BAD_LINES_SHOWN:
        say(f"and {len(bad) - _MOST_BAD_LINES_SHOWN} more bad lines")
    return good, bad


@contextmanager
def _opened(source: str) -> Iterator[TextIO]:
    if source == "-":
        if sys.stdin is None:
            raise InputUnreadable("standard input is closed")
        yield sys.stdin
        return
    try:
        with Path(source).open(encoding="utf-8") as opened:
            yield opened
    except OSError as fault:
        raise InputUnreadable(f"{source} cannot be read: {fault.strerror}") from None
