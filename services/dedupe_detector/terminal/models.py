"""`dedupe-detector models`: the fits of a tenant, and which of them scores."""

from dataclasses import asdict

from dedupe_detector.adapters.model_tables import listing, pin, unpin
from dedupe_detector.app import App
from event_runtime.faults import Fault
from event_runtime.output import say, show_rows


def list_models(app: App, *, tenant_id: str | None, as_json: bool) -> None:
    """Print a tenant's models, newest first."""
    with app.database.connect() as connection:
        found = listing(connection, tenant_id or app.settings.tenant)
    show_rows([asdict(model) for model in found], as_json=as_json)


def pin_model(app: App, version: str, *, tenant_id: str | None) -> None:
    """Score with one version from the next batch on. Raises Fault when the tenant has no such model."""
    tenant = tenant_id or app.settings.tenant
    with app.database.begin() as connection:
        if not pin(connection, tenant, version):
            raise Fault(f"tenant {tenant} has no model {version}: see models list")
    say(f"tenant {tenant} is scored with {version} until models unpin")


def unpin_model(app: App, *, tenant_id: str | None) -> None:
    """Score with the newest fit again."""
    tenant = tenant_id or app.settings.tenant
    with app.database.begin() as connection:
        was_pinned = unpin(connection, tenant)
    say(f"tenant {tenant} is scored with its newest fit" + ("" if was_pinned else ", as before"))
