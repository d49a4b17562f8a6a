"""The command line of the demonstration. What a command needs is imported when it runs, so that --help is quick."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from event_runtime.command_line import DONE, FAILED, Arguments, Command, add_json, run_cli

if TYPE_CHECKING:
    from customer_merge_demo.customers import CustomerSet

DEFAULT_RECORDS = 1_200
DEFAULT_SEED = 7
_TERMINATED = 143


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _terminate)
    return run_cli(
        "customer-merge", "Customer records in, merged customers out: the whole story.", _commands(), argv=argv
    )


def _commands() -> list[Command]:
    return [
        Command(
            name="demo",
            help="the whole story, checked at the end; then everything is stopped",
            arguments=_demo_arguments,
            run=_demo,
        ),
        Command(name="up", help="the whole system in the foreground until Ctrl-C", arguments=_up_arguments, run=_up),
        Command(
            name="generate",
            help="write a made-up customer file, and who is who in it",
            arguments=_generate_arguments,
            run=_generate,
        ),
    ]


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    from customer_merge_demo.profiles import profile_names

    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"tell the story of one kind of system, on tables and a plan of its own: {', '.join(profile_names())}",
    )
    parser.add_argument(
        "--input", type=Path, metavar="CUSTOMERS.csv", help="your customers (default: made-up retail data)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="where results go (default: ./out)"
    )
    parser.add_argument(
        "--kafka", metavar="HOST:PORT", help="a Kafka of your own; topics of this run only are made and removed"
    )
    parser.add_argument("--database", metavar="URL", help="an empty PostgreSQL database of your own, postgresql://…")
    parser.add_argument(
        "--keep", action="store_true", help="leave servers, services and data running and say how to reach them"
    )
    _size_arguments(parser)
    add_json(parser)


def _up_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, metavar="D", help="keep the database there (default: a temporary one)")
    parser.add_argument(
        "--input", type=Path, metavar="CUSTOMERS.csv", help="customers to begin with (default: made-up retail data)"
    )
    _size_arguments(parser)


def _generate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, metavar="CUSTOMERS.csv", help="the file to write")
    parser.add_argument("--truth", type=Path, metavar="TRUTH.csv", help="also write customer_id,entity_id")
    _size_arguments(parser)


def _size_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=int, default=DEFAULT_RECORDS, help="made-up records (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="same seed, same people (default: %(default)s)")


def _demo(options: Arguments) -> int:
    if options.profile is not None:
        return _demo_of_profile(options)
    from customer_merge_demo.customer_file import write_customers
    from customer_merge_demo.orchestration.story import Options, tell
    from customer_merge_demo.quiet import quiet_logs
    from customer_merge_demo.summary import as_json, as_text

    customers = _customers(options)
    _make_directory(options.out)
    quiet_logs(options.out / "logs")
    if options.input is None:
        write_customers(options.out / "input.csv", customers.customers)
    for warning in customers.warnings:
        print(f"customer-merge: {warning}", file=sys.stderr)
    wanted = Options(
        customers=customers,
        out=options.out,
        kafka=options.kafka,
        database_url=options.database,
        keep=options.keep,
    )
    with _signal_first():
        facts, kept = tell(wanted)
    print(as_json(facts, options.out) if options.json else as_text(facts, options.out))
    if kept is not None:
        from customer_merge_demo.endpoints import endpoints

        print("\n".join(endpoints(kept.system)), file=sys.stderr)
        print(f"\nTo stop and remove all of it: kill {kept.keeper_pid}", file=sys.stderr)
    return DONE if facts.passed else FAILED


def _demo_of_profile(options: Arguments) -> int:
    import dataclasses
    import json

    from customer_merge_demo.profiles import find_profile
    from customer_merge_demo.profiles.telling import tell
    from customer_merge_demo.quiet import quiet_logs
    from event_runtime.faults import SettingError

    profile = find_profile(options.profile)
    for name in ("input", "kafka", "database", "keep"):
        if getattr(options, name):
            raise SettingError(f"--profile: a profile brings its own customers and servers; leave out --{name}")
    _make_directory(options.out)
    quiet_logs(options.out / "logs")
    with _signal_first():
        telling = tell(profile, options.out / "logs", lambda words: print(words, file=sys.stderr))
    facts = dataclasses.asdict(telling) | {"seconds": round(telling.seconds, 1)}
    if options.json:
        print(json.dumps(facts))
    else:
        print(f"\nEverything came as told: {telling.expectations} expectations held, {telling.seconds:.0f} s.")
    return DONE


def _up(options: Arguments) -> int:
    from customer_merge_demo.orchestration.up import run

    try:
        with _signal_first():
            run(options.data_dir, lambda: _customers(options))
    except (KeyboardInterrupt, SystemExit):
        return DONE  # a signal is how it is meant to end


def _generate(options: Arguments) -> int:
    import csv

    from customer_merge_demo.customer_file import write_customers

    made = _made_up(options)
    write_customers(options.output, made.customers)
    if options.truth is not None:
        with options.truth.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("customer_id", "entity_id"))
            writer.writerows((made.truth or {}).items())
    print(f"{len(made.customers):,} records of {len(set((made.truth or {}).values())):,} people in {options.output}")
    return DONE


def _make_directory(directory: Path) -> None:
    from event_runtime.faults import Fault

    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "logs").mkdir(exist_ok=True)
    except OSError as fault:
        reason = (fault.strerror or type(fault).__name__).lower()
        raise Fault(f"--out {directory}: cannot be written ({reason}); name a directory that can") from None


def _customers(options: Arguments) -> CustomerSet:
    from customer_merge_demo.customer_file import read_customers

    return _made_up(options) if options.input is None else read_customers(options.input)


def _made_up(options: Arguments) -> CustomerSet:
    from customer_merge_demo.people.generator import generate
    from event_runtime.faults import SettingError

    try:
        return generate(records=options.records, seed=options.seed)
    except ValueError as wrong:
        raise SettingError(f"--records: {wrong}") from None


_ending: list[BaseException] = []  # what the first signal raised


@contextmanager
def _signal_first() -> Iterator[None]:
    """Let a signal be the reason of the end: what it interrupts may fail on the way out, a driver in a query does."""
    try:
        yield
    except Exception:
        if _ending:
            raise _ending[0] from None
        raise


def _interrupt(_number: int, _frame: object) -> NoReturn:
    _end(KeyboardInterrupt())


def _terminate(_number: int, _frame: object) -> NoReturn:
    _end(SystemExit(_TERMINATED))


def _end(reason: BaseException) -> NoReturn:
    # cleaning up is under way from here on, and asking again would only interrupt that
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _ending.append(reason)
    raise reason


if __name__ == "__main__":
    sys.exit(main())
