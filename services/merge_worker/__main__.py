"""The command line of the merge worker. What a command needs is imported when it runs, so that --help is quick."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from event_runtime.command_line import Arguments, Command, add_json, run_cli, user_name
from event_runtime.faults import SettingError
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
            name="audit show",
            help="what a merge changed: the winner's fields, the losers' records as they were, rows put aside",
            arguments=_audit_show_arguments,
            run=_audit_show,
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
        Command(
            name="erasures list",
            help="who is to be forgotten, and what that waits for",
            arguments=_erasures_arguments,
            run=_erasures_list,
        ),
        Command(
            name="erasures confirm",
            help="forget a customer and everybody merged with it",
            arguments=_decision_arguments,
            run=_erasures_confirm,
        ),
        Command(
            name="erasures decline",
            help="forget nobody; the request ends",
            arguments=_decision_arguments,
            run=_erasures_decline,
        ),
        Command(name="unmerge", help="undo a merge", arguments=_unmerge_arguments, run=_unmerge),
        Command(
            name="schedule list",
            help="when everything that waits is tried, and the last runs",
            arguments=add_json,
            run=_schedule_list,
        ),
        Command(
            name="schedule run",
            help="have everything tried now that is approved or waits",
            arguments=_schedule_run_arguments,
            run=_schedule_run,
        ),
        Command(
            name="plan view",
            help="print the SQL of a view with each person once, for mailings",
            arguments=_plan_view_arguments,
            run=_plan_view,
        ),
        Command(name="plan show", help="print a merge plan", arguments=_plan_arguments, run=_plan_show),
        Command(
            name="plan discover",
            help="draft a merge plan from the tables of the database",
            arguments=_plan_discover_arguments,
            run=_plan_discover,
        ),
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


def _audit_show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("merge_id", metavar="MERGE_ID")
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
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("merge_id", nargs="?", metavar="MERGE_ID")
    which.add_argument(
        "--policy-version", metavar="V", help="every merge that this version of a plan made (see --since)"
    )
    parser.add_argument("--since", metavar="TIME", help="with --policy-version: merged at this ISO time or later")
    parser.add_argument("--dry-run", action="store_true", help="with --policy-version: say what would happen")
    parser.add_argument("--mode", choices=("LINEAR", "TREE"), default="LINEAR")
    add_json(parser)
    parser.add_argument("--reason", default="undone on the command line")
    parser.add_argument("--by", default=user_name(), help="who asks (default: %(default)s)")
    _wait_arguments(parser)


def _schedule_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", help="only requests of this tenant (default: of all)")
    parser.add_argument("--by", default=user_name(), help="who asks (default: %(default)s)")
    add_json(parser)


def _erasures_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="those that are done or declined, too")
    add_json(parser)


def _decision_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("customer_id", metavar="CUSTOMER_ID", help="the customer that the request names")
    parser.add_argument("--by", default=user_name(), help="who decides (default: %(default)s)")
    _tenant_argument(parser)


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", nargs="?", help="a path, or the name of a shipped plan (default: the one configured)")


def _plan_discover_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", metavar="SCHEMA.TABLE", help="the customer table (default: found by its name)")
    parser.add_argument("--name", help="what the plan is called (default: the name of the schema)")
    parser.add_argument("--output", metavar="FILE", help="write a new file (default: standard output)")


def _plan_view_arguments(parser: argparse.ArgumentParser) -> None:
    _plan_arguments(parser)
    parser.add_argument(
        "--name", default="merge.canonical_customers", metavar="SCHEMA.VIEW", help="(default: %(default)s)"
    )


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


def _audit_show(options: Arguments) -> int:
    from merge_worker.cli.audit import audit_show

    return audit_show(_tool(), options.merge_id, as_json=options.json)


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

    if options.policy_version is not None:
        return _mass_undo(options)
    if options.since is not None or options.dry_run:
        raise SettingError("--since and --dry-run go with --policy-version")
    return unmerge(
        _tool(),
        options.merge_id,
        actor=options.by,
        reason=options.reason,
        mode=options.mode,
        wait=options.wait,
        timeout_s=options.timeout,
    )


def _schedule_list(options: Arguments) -> int:
    from merge_worker.cli.schedule import schedule_list

    return schedule_list(_tool(), as_json=options.json)


def _schedule_run(options: Arguments) -> int:
    from merge_worker.cli.schedule import schedule_run

    return schedule_run(_tool(), tenant_id=options.tenant, actor=options.by, as_json=options.json)


def _erasures_list(options: Arguments) -> int:
    from merge_worker.cli.erasures import list_erasures

    return list_erasures(_tool(), everything=options.all, as_json=options.json)


def _erasures_confirm(options: Arguments) -> int:
    return _decide_erasure(options, confirmed=True)


def _erasures_decline(options: Arguments) -> int:
    return _decide_erasure(options, confirmed=False)


def _decide_erasure(options: Arguments, *, confirmed: bool) -> int:
    from merge_worker.cli.erasures import decide

    return decide(_tool(), options.customer_id, tenant_id=options.tenant, confirmed=confirmed, by=options.by)


def _mass_undo(options: Arguments) -> int:
    from datetime import UTC, datetime

    from merge_worker.cli.mass_undo import MassUndo, mass_undo

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
    return mass_undo(_tool(), undo, dry_run=options.dry_run, timeout_s=options.timeout, as_json=options.json)


def _plan_show(options: Arguments) -> int:
    from merge_worker.cli.plan import plan_show

    return plan_show(_tool(plan=options.plan))


def _plan_discover(options: Arguments) -> int:
    from merge_worker.cli.plan import plan_discover

    return plan_discover(_tool(), table=options.table, name=options.name, output=options.output)


def _plan_view(options: Arguments) -> int:
    from merge_worker.cli.plan import plan_view

    if options.name.count(".") != 1:
        print("merge-worker plan view: --name is SCHEMA.VIEW", file=sys.stderr)
        return 2
    return plan_view(_tool(plan=options.plan), options.name)


def _plan_check(options: Arguments) -> int:
    from merge_worker.cli.plan import plan_check

    return plan_check(_tool(plan=options.plan), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
