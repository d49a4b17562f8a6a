"""`merge-worker unmerge`: one merge, or all that a version of a plan made."""

import argparse

from event_runtime.command_line import Arguments, Command, add_json, user_name
from event_runtime.faults import SettingError
from merge_worker.command_line.starting import sender, vouch_arguments, wait_arguments


def unmerge_commands() -> list[Command]:
    """The way back."""
    return [Command(name="unmerge", help="undo a merge", arguments=_unmerge_arguments, run=_unmerge)]


def _unmerge_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("merge_id", nargs="?", metavar="MERGE_ID")
    which.add_argument(
        "--policy-version", metavar="V", help="every merge that this version of a plan made (see --since)"
    )
    parser.add_argument("--since", metavar="TIME", help="with --policy-version: merged at this ISO time or later")
    parser.add_argument("--dry-run", action="store_true", help="with --policy-version: say what would happen")
    parser.add_argument("--mode", choices=("LINEAR", "TREE"), default="LINEAR")
    parser.add_argument("--newest-first", action="store_true",
                        help="with MERGE_ID: first undo the newer merges that stand on it, one by one")  # fmt: skip
    add_json(parser)
    parser.add_argument("--reason", default="undone on the command line")
    parser.add_argument("--by", default=user_name(), help="who asks (default: %(default)s)")
    vouch_arguments(parser)
    wait_arguments(parser)


def _unmerge(options: Arguments) -> int:
    from merge_worker.terminal.unmerge import Undo, unmerge

    if options.policy_version is not None:
        return _mass_undo(options)
    if options.since is not None or options.dry_run:
        raise SettingError("--since and --dry-run go with --policy-version")
    undo = Undo(
        merge_id=options.merge_id,
        actor=options.by,
        reason=options.reason,
        mode=options.mode,
        newest_first=options.newest_first,
    )
    return unmerge(sender(options), undo, wait=options.wait, timeout_s=options.timeout)


def _mass_undo(options: Arguments) -> int:
    from datetime import UTC, datetime

    from merge_worker.terminal.mass_undo import MassUndo, mass_undo

    if options.newest_first:
        raise SettingError("--newest-first goes with MERGE_ID; --policy-version undoes newest first by itself")
    try:
        since = datetime.fromisoformat(options.since or "")
    except ValueError:
        raise SettingError("--since needs an ISO time, such as 2026-05-01T08:00:00Z") from None
    undo = MassUndo(
        policy_version=options.policy_version,
        since=since if since.tzinfo else since.replace(tzinfo=UTC),
        actor=options.by,
        reason=options.reason,
        mode=options.mode,
    )
    return mass_undo(sender(options), undo, dry_run=options.dry_run, timeout_s=options.timeout, as_json=options.json)
