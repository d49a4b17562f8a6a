"""`merge-worker audit verify | show` and `verify`."""

import argparse

from event_runtime.command_line import Arguments, Command, add_json
from merge_worker.command_line.starting import tool


def audit_commands() -> list[Command]:
    """What was done, and whether all of it holds."""
    return [
        Command(
            name="audit verify",
            help="the published history is whole and chained, and rebuilds the identity map",
            arguments=_audit_arguments,
            run=_audit_verify,
        ),
        Command(
            name="audit show",
            help="what a merge changed: the winner's fields, the losers' records as they were, rows put aside",
            arguments=_show_arguments,
            run=_audit_show,
        ),
        Command(
            name="verify",
            help="nothing left on a loser, sums agree, map and rows agree",
            arguments=_verify_arguments,
            run=_verify,
        ),
    ]


def _audit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", choices=("kafka", "database"), default="kafka", help="where the history is read")
    add_json(parser)


def _audit_verify(options: Arguments) -> int:
    from merge_worker.terminal.audit import audit_verify

    return audit_verify(tool(), source=options.source, as_json=options.json)


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("merge_id", metavar="MERGE_ID")
    add_json(parser)


def _audit_show(options: Arguments) -> int:
    from merge_worker.terminal.audit import audit_show

    return audit_show(tool(), options.merge_id, as_json=options.json)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("merge_id", nargs="?", metavar="MERGE_ID")
    which.add_argument("--all", action="store_true", help="every merge")
    add_json(parser)


def _verify(options: Arguments) -> int:
    from merge_worker.terminal.audit import verify

    return verify(tool(), options.merge_id, as_json=options.json)
