"""`merge-worker submit` and `preview`."""

import argparse

from event_runtime.command_line import Arguments, Command, add_json
from merge_worker.command_line.starting import sender, tenant_argument, tool, vouch_arguments, wait_arguments


def send_commands() -> list[Command]:
    """Commands in a file: have them done, or see what they would do."""
    return [
        Command(
            name="submit",
            help="publish commands, one JSON object a line",
            arguments=_submit_arguments,
            run=_submit,
        ),
        Command(
            name="preview",
            help="what each command would do; nothing is written",
            arguments=_preview_arguments,
            run=_preview,
        ),
    ]


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a file of commands, or - for standard input")
    parser.add_argument("--skip-bad", action="store_true", help="publish the good lines although others are bad")
    tenant_argument(parser)
    vouch_arguments(parser)
    wait_arguments(parser)


def _submit(options: Arguments) -> int:
    from merge_worker.terminal.send import submit

    return submit(
        sender(options),
        options.file,
        tenant_id=options.tenant,
        skip_bad=options.skip_bad,
        wait=options.wait,
        timeout_s=options.timeout,
    )


def _preview_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a file of commands, or - for standard input")
    tenant_argument(parser)
    add_json(parser)


def _preview(options: Arguments) -> int:
    from merge_worker.terminal.preview import preview

    return preview(tool(), options.file, tenant_id=options.tenant, as_json=options.json)
