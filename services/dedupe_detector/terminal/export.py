"""`dedupe-detector export-splink`: a base and the model, as Splink on Spark takes them."""

import sys
from collections.abc import Iterator
from pathlib import Path

from customer_identity.customer_csv import CustomerCsv
from customer_identity.normalise import normalise
from dedupe_detector.adapters.files import chosen_model, read_model, reading
from dedupe_detector.adapters.model_tables import whole_tenant
from dedupe_detector.app import App
from dedupe_detector.application.export_splink import ExportedCustomer, ExportReport, export_splink
from dedupe_detector.application.scoring_models import ScoringModels
from event_runtime.output import show_json_lines


def export_file(source: Path, output: Path, *, model: Path | None, as_json: bool) -> None:
    """Export the customers of a file."""
    with reading(source) as lines:
        customers = CustomerCsv(lines)
        exported = (
            ExportedCustomer(
                tenant_id=one.tenant_id, customer_id=one.customer_id, source=one.source, record=normalise(one)
            )
            for one in customers
        )
        _show(export_splink(exported, chosen_model(model), output), output, as_json=as_json)


def export_index(app: App, output: Path, *, model: Path | None, tenant_id: str | None, as_json: bool) -> None:
    """Export a tenant's customers as the detector holds them, with the model that scores them."""
    tenant = tenant_id or app.settings.tenant
    with app.database.connect() as connection:
        scoring = read_model(model) if model is not None else ScoringModels(app.model).of(connection, [tenant])[tenant]

        def exported() -> Iterator[ExportedCustomer]:
            for entry in whole_tenant(connection, tenant):
                yield ExportedCustomer(
                    tenant_id=tenant, customer_id=entry.customer_id, source=entry.source, record=entry.record
                )

        _show(export_splink(exported(), scoring, output), output, as_json=as_json)


def _show(report: ExportReport, output: Path, *, as_json: bool) -> None:
    if as_json:
        show_json_lines([report])
    else:
        sys.stdout.write(f"{report.records} records and model {report.model_version} in {output}\n")
