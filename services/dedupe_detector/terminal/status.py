"""`dedupe-detector status`: what is in the index, and what scores it."""

from customer_identity.matching.index import records_code
from dedupe_detector.adapters import model_tables
from dedupe_detector.adapters.outdated_records import outdated_records
from dedupe_detector.adapters.postgres_index import PostgresIndex
from dedupe_detector.app import App
from event_runtime.output import say, show_rows


def status(app: App, *, tenant_id: str | None, as_json: bool) -> None:
    """Print a line for each tenant, or for one; then, on standard error, what an upgrade has left to do."""
    with app.database.connect() as connection:
        tenants = [tenant_id] if tenant_id else model_tables.tenants(connection)
        records = PostgresIndex(connection).counts([records_code(tenant) for tenant in tenants]).tolist()
        models = model_tables.scoring(connection, tenants)
        outdated = {one.tenant_id: one for one in outdated_records(connection, tenant_id)}
    rows = [
        {
            "tenant_id": tenant,
            "records": held,
            "outdated": outdated[tenant].outdated if tenant in outdated else 0,
            "model": models.get(tenant, app.model.version),
        }
        for tenant, held in zip(tenants, records, strict=True)
    ]
    show_rows(rows, as_json=as_json)
    for one in outdated.values():
        say(str(one))
