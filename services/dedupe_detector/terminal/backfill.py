"""`dedupe-detector backfill` and `load-pairs`: bulk work, and what it came to."""

import os
import sys
from pathlib import Path

from dedupe_detector.adapters import customer_sources
from dedupe_detector.adapters.customer_sources import CsvBase, CustomerBase, TableBase
from dedupe_detector.app import NAME, App
from dedupe_detector.application.load_pairs import PairFile
from event_runtime import failpoints, logs
from event_runtime.output import say, show_json_lines


def backfill(
    app: App,
    *,
    csv: Path | None,
    table: str | None,
    query: Path | None,
    tenant_id: str | None,
    match: bool,
    micro_batch: int,
    as_json: bool,
) -> None:
    """Take a customer base in and print what is found in it."""
    _prepare()
    base: CustomerBase
    if csv is not None:
        base = CsvBase(path=csv, tenant_id=tenant_id or app.settings.tenant)
    else:
        relation, name = (
            (customer_sources.named_table(table), f"table {table}")
            if table is not None
            else customer_sources.query(query or Path())
        )
        base = TableBase(
            engine=app.bulk_database,
            relation=relation,
            name=f"{name} {tenant_id or '*'}",
            tenant_id=tenant_id,
            default_tenant_id=app.settings.tenant,
        )
    report = app.backfill(match=match, micro_batch=micro_batch).run(base)
    if as_json:
        show_json_lines([report])
    else:
        sys.stdout.write(
            f"{report.records} records, {report.certain} certain, {report.probable} probable and {report.possible}"
            f" possible pairs, {report.candidates_told} told, {report.seconds:.2f} seconds,"
            f" {report.records_per_second:.0f} records per second\n"
        )


def load_pairs(app: App, pairs: Path, *, tenant_id: str | None, micro_batch: int, as_json: bool) -> int:
    """Tell of pairs that were found elsewhere; 1 when some name customers that the index does not have."""
    _prepare()
    report = app.load_pairs(micro_batch=micro_batch).run(
        PairFile(path=pairs, tenant_id=tenant_id or app.settings.tenant)
    )
    if as_json:
        show_json_lines([report])
    else:
        sys.stdout.write(
            f"{report.pairs} pairs read, {report.certain} certain, {report.probable} probable and {report.possible}"
            f" possible stand, {report.candidates_told} told, {report.seconds:.2f} seconds,"
            f" {report.pairs_per_second:.0f} pairs per second\n"
        )
    if report.unknown:
        say(f"{report.unknown} pairs name customers that the index does not have: backfill --index-only them first")
    return 1 if report.unknown else 0


def _prepare() -> None:
    """Results are for standard output; of what a service would log, only warnings are worth a line beside a bar."""
    failpoints.arm(os.environ)
    logs.configure(NAME, "WARNING")
