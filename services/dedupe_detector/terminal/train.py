"""`dedupe-detector train`: customers in, a model out."""

import sys
from pathlib import Path

from dedupe_detector.adapters.files import chosen_model
from dedupe_detector.adapters.label_files import read_labels
from dedupe_detector.app import App
from dedupe_detector.application.train_model import TrainReport, train_model, train_model_from_index
from event_runtime.output import show_json_lines


def train(source: Path, target: Path, *, model: Path | None, labels: Path | None, as_json: bool) -> None:
    """Learn from a customer file, write the model and print what it is made of."""
    known = None if labels is None else read_labels(labels)
    _show(train_model(source, target, chosen_model(model), known), as_json=as_json)


def train_from_index(app: App, target: Path, *, tenant_id: str | None, model: Path | None, as_json: bool) -> None:
    """Learn from the records that the service holds and from what people decided of them."""
    start = app.model if model is None else chosen_model(model)
    with app.database.connect() as connection:
        report = train_model_from_index(connection, tenant_id or app.settings.tenant, target, start)
    _show(report, as_json=as_json)


def _show(report: TrainReport, *, as_json: bool) -> None:
    if as_json:
        show_json_lines([report])
        return
    learned = f", and {report.labels} labels" if report.labels else ""
    sys.stdout.write(
        f"model {report.version} from {report.records} records and {report.candidate_pairs} candidate pairs{learned}: "
        f"{report.duplicates_per_record} duplicates a record\n"
    )
