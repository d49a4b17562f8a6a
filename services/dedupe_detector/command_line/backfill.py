"""`dedupe-detector backfill | load-pairs`."""

from argparse import ArgumentParser
from pathlib import Path

from dedupe_detector.command_line.starting import app, micro_batch_argument, tenant_arguments
from event_runtime.command_line import Arguments, Command


def backfill_commands() -> list[Command]:
    """Bulk work on a whole customer base."""
    return [
        Command(
            name="backfill",
            help="take a whole customer base into the index and tell of its candidates",
            run=_backfill,
            arguments=_backfill_arguments,
        ),
        Command(
            name="load-pairs",
            help="tell of the candidates among pairs that were found elsewhere",
            run=_load_pairs,
            arguments=_load_arguments,
        ),
    ]


def _backfill_arguments(parser: ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("input", type=Path, nargs="?", metavar="FILE.csv", help="customers; a column version is read")
    source.add_argument("--table", metavar="NAME", help="a table or view of the database, named as input columns are")
    source.add_argument("--query", type=Path, metavar="FILE.sql", help="one SELECT, its columns named the same way")
    parser.add_argument(
        "--index-only", action="store_true", help="look nothing up: the pairs come from elsewhere (see load-pairs)"
    )
    micro_batch_argument(parser, default=1_000)
    tenant_arguments(parser)


def _load_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("pairs", type=Path, metavar="PAIRS.csv", help="customer_id_a,customer_id_b,score,grade")
    micro_batch_argument(parser, default=1_000, what="pairs read at a time")
    tenant_arguments(parser)


def _backfill(options: Arguments) -> None:
    from dedupe_detector.terminal.backfill import backfill

    backfill(
        app(),
        csv=options.input,
        table=options.table,
        query=options.query,
        tenant_id=options.tenant,
        match=not options.index_only,
        micro_batch=options.micro_batch,
        as_json=options.json,
    )


def _load_pairs(options: Arguments) -> int:
    from dedupe_detector.terminal.backfill import load_pairs

    return load_pairs(
        app(), options.pairs, tenant_id=options.tenant, micro_batch=options.micro_batch, as_json=options.json
    )
