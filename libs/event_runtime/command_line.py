"""What every console script has in common: sub-commands, exit statuses, and one line instead of a traceback.

Exit status 0: done. 1: refused or failed, the reason in one line on standard error. 2: wrong usage or setting. 130:
Ctrl-C. Only the standard library is imported here; a command imports what it needs when it runs, so that `--help`
answers at once.
"""

import argparse
import getpass
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from event_runtime.faults import Fault, SettingError, describe, is_no_connection

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

Arguments = argparse.Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One sub-command. `name` may have several words (`quarantine list`); `run` returns an exit status, None is 0."""

    name: str
    help: str
    run: Callable[[Arguments], int | None]
    arguments: Callable[[argparse.ArgumentParser], Any] | None = None


def run_cli(
    program: str,
    description: str,
    commands: Sequence[Command],
    *,
    argv: Sequence[str] | None = None,
    refusals: Callable[[], tuple[type[Exception], ...]] = lambda: (),
) -> int:
    """Run the sub-command that the arguments name and return the exit status.

    `refusals` names further exceptions whose message is for the user, as a Fault's is; it is called only when one was
    raised.
    """
    _replace_closed_streams()
    try:
        options = _parser(program, description, commands).parse_args(argv)
        status = options.run(options) or DONE
        sys.stdout.flush()  # a reader that has gone away shows here, not at the interpreter's end
    except SystemExit as end:  # argparse's
        return end.code if isinstance(end.code, int) else WRONG_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except SettingError as wrong:
        return _say(program, str(wrong), WRONG_USAGE)
    except Exception as fault:  # noqa: BLE001 - the edge of the program: whatever it is, the user gets one line
        expected = isinstance(fault, (Fault, OSError, *refusals()))
        return _say(program, _reason(fault, expected=expected), FAILED)
    return status


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option of every command that lists or reports."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def user_name() -> str:
    """Who runs this program, `uid:54321` when the system has no name for the user, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the former before Python 3.13
        return f"uid:{os.getuid()}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser(program: str, description: str, commands: Sequence[Command]) -> argparse.ArgumentParser:
    parser = _Parser(prog=program, description=description, allow_abbrev=False)
    groups: dict[tuple[str, ...], Any] = {(): parser.add_subparsers(metavar="COMMAND", required=True)}
    for command in commands:
        *group, name = command.name.split()
        for depth in range(len(group)):
            inner = tuple(group[: depth + 1])
            if inner not in groups:
                members = [each.name.split()[-1] for each in commands if each.name.split()[:-1] == list(inner)]
                outer = groups[inner[:-1]].add_parser(inner[-1], help=" | ".join(members), allow_abbrev=False)
                groups[inner] = outer.add_subparsers(metavar="COMMAND", required=True)
        leaf = groups[tuple(group)].add_parser(name, help=command.help, description=command.help, allow_abbrev=False)
        if command.arguments is not None:
            command.arguments(leaf)
        leaf.set_defaults(run=command.run)
    return parser


def _replace_closed_streams() -> None:
    """Let what is written to a stream that the caller closed (`>&-`) go nowhere, as `print` does."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - open to the end; pathlib costs 10 ms


def _say(program: str, reason: str, status: int) -> int:
    print(f"{program}: {reason}", file=sys.stderr)  # noqa: T201 - this is the command line
    return status


def _reason(fault: Exception, *, expected: bool) -> str:
    if expected:
        return (str(fault) if not isinstance(fault, OSError) else describe(fault)).strip().replace("\n", " ")
    if is_no_connection(fault):
        return describe(fault)  # whoever can mend it needs the address, and no line of ours
    # Drivers' errors are explained without what they quote; the place tells us which of our lines met them.
    frames = traceback.extract_tb(fault.__traceback__)
    ours = next((frame for frame in reversed(frames) if "site-packages" not in frame.filename), frames[-1])
    return f"{describe(fault)} [{os.path.basename(ours.filename)}:{ours.lineno}]"  # noqa: PTH119 - pathlib costs 10 ms
