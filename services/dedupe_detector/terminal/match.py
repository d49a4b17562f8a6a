"""`dedupe-detector match`: a customer file in, pairs and clusters out."""

import sys
from pathlib import Path

from dedupe_detector.adapters.files import chosen_model
from dedupe_detector.application.match_file import FileMatch
from event_runtime.output import show_json_lines


def match(
    source: Path,
    *,
    pairs: Path,
    clusters: Path | None,
    model: Path | None,
    micro_batch: int,
    link_sources: bool,
    as_json: bool,
) -> None:
    """Write the files and print how it went."""
    report = FileMatch(
        source=source,
        pairs=pairs,
        clusters=clusters,
        model=chosen_model(model),
        micro_batch=micro_batch,
        link_sources=link_sources,
    ).run()
    if as_json:
        show_json_lines([report])
    else:
        sys.stdout.write(
            f"{report.records} records, {report.pairs} pairs, {report.seconds:.2f} seconds, "
            f"{report.records_per_second:.0f} records per second, peak memory {report.peak_memory_mb:.0f} MB\n"
        )
