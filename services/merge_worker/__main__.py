"""The command line of the merge worker. What a command needs is imported when it runs, so that --help is quick."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from event_runtime.command_line import Arguments, Command, add_json, run_cli, user_name
from event_runtime.service_commands import shared_commands

if TYPE_CHECKING:
    from merge_worker.app import App
    from merge_worker.settings import MergeWorkerSettings

DEFAULT_TENANT = "default"
DEFAULT_WAIT_S = 120.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_cli(
        "merge-worker",
        "Merge commands in, merged customers out.",
        [*_service_commands(), *_data_commands(), *shared_commands(_settings, package="merge_worker", schema="merge")],
        argv=argv,
        refusals=_refusals,
    )


def _service_commands() -> list[Command]:
    return [
        Command(
            name="run",
            help="consume commands, merge, and publish what became of them",
            arguments=_run_arguments,
            run=_run,
        ),
        Command(name="relay", help="only publish what is in the outbox", run=_relay),
        Command(
            name="status",
            help="what goes by an id, or how the worker is doing",
            arguments=_status_arguments,
            run=_status,
        ),
        Command(
            name="audit verify",
            help="the published history is whole and chained, and rebuilds the identity map",
            arguments=_audit_arguments,
            run=_audit_verify,
        ),
        Command(
            name="verify",
            help="nothing left on a loser, sums agree, map and rows agree",
            arguments=_verify_arguments,
            run=_verify,
        ),
    ]


def _data_commands() -> list[Command]:
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
        Command(name="unmerge", help="undo a merge", arguments=_unmerge_arguments, run=_unmerge),
        Command(name="plan show", help="print a merge plan", arguments=_plan_arguments, run=_plan_show),
        Command(
            name="plan check",
            help="compare a merge plan with the tables of the database",
            arguments=_plan_check_arguments,
            run=_plan_check,
        ),
    ]


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-relay", action="store_true", help="leave publishing to `merge-worker relay`")


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="a customer, command, request or merge")
    _tenant_argument(parser)
    add_json(parser)


def _audit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", choices=("kafka", "database"), default="kafka", help="where the history is read")
    add_json(parser)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("merge_id", nargs="?", metavar="MERGE_ID")
    which.add_argument("--all", action="store_true", help="every merge")
    add_json(parser)


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a file of commands, or - for standard input")
    parser.add_argument("--skip-bad", action="store_true", help="publish the good lines although others are bad")
    _tenant_argument(parser)
    _wait_arguments(parser)


def _preview_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a file of commands, or - for standard input")
    _tenant_argument(parser)
    add_json(parser)


def _unmerge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("merge_id", metavar="MERGE_ID")
    parser.add_argument("--mode", choices=("LINEAR", "TREE"), default="LINEAR")
    parser.add_argument("--reason", default="undone on the command line")
    parser.add_argument("--by", default=user_name(), help="who asks (default: %(default)s)")
    _wait_arguments(parser)


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", nargs="?", help="a path, or the name of a shipped plan (default: the one configured)")


def _plan_check_arguments(parser: argparse.ArgumentParser) -> None:
    _plan_arguments(parser)
    add_json(parser)


def _tenant_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tenant", default=DEFAULT_TENANT, help="the tenant of ids and of lines that name none (default: %(default)s)"
    )


def _wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="wait for the outcomes and print each as a line of JSON")
    parser.add_argument(
        "--timeout", type=float, default=DEFAULT_WAIT_S, metavar="SECONDS", help="how long (default: %(default)s)"
    )


def _settings() -> "MergeWorkerSettings":
    from merge_worker.settings import MergeWorkerSettings

    return MergeWorkerSettings.load(os.environ)


def _app(*, plan: str | None = None) -> "App":
    from merge_worker.app import App

    settings = _settings()
    return App(settings if plan is None else settings.model_copy(update={"plan": plan}))


def _tool(*, plan: str | None = None) -> "App":
    import logging

    # A command says what went wrong in one line; Kafka's client would tell of every try to connect.
    logging.getLogger().addHandler(logging.NullHandler())
    return _app(plan=plan)


def _refusals() -> tuple[type[Exception], ...]:
    from merge_engine import MergeEngineError

    return (MergeEngineError,)


def _run(options: Arguments) -> int:
    app = _app()
    return app.consumer_service(relay=app.settings.relay.enabled and not options.no_relay).run()


def _relay(_options: Arguments) -> int:
    return _app().relay_service().run()


def _status(options: Arguments) -> int:
    from merge_worker.cli.status import status

    return status(_tool(), options.id, tenant_id=options.tenant, as_json=options.json)


def _audit_verify(options: Arguments) -> int:
    from merge_worker.cli.audit import audit_verify

    return audit_verify(_tool(), source=options.source, as_json=options.json)


def _verify(options: Arguments) -> int:
    from merge_worker.cli.audit import verify

    return verify(_tool(), options.merge_id, as_json=options.json)


def _submit(options: Arguments) -> int:
    from merge_worker.cli.send import submit

    return submit(
        _tool(),
        options.file,
        tenant_id=options.tenant,
        skip_bad=options.skip_bad,
        wait=options.wait,
        timeout_s=options.timeout,
    )


def _preview(options: Arguments) -> int:
    from merge_worker.cli.preview import preview

    return preview(_tool(), options.file, tenant_id=options.tenant, as_json=options.json)


def _unmerge(options: Arguments) -> int:
    from merge_worker.cli.send import unmerge

    return unmerge(
        _tool(),
        options.merge_id,
        actor=options.by,
        reason=options.reason,
        mode=options.mode,
        wait=options.wait,
        timeout_s=options.timeout,
    )


def _plan_show(options: Arguments) -> int:
    from merge_worker.cli.plan import plan_show

    return plan_show(_tool(plan=options.plan))


def _plan_check(options: Arguments) -> int:
    from merge_worker.cli.plan import plan_check

    return plan_check(_tool(plan=options.plan), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
