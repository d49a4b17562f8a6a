"""Fit each tenant's model again as its base grows, and as people decide."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Engine

from customer_identity.matching.index import records_code
from customer_identity.matching.learning import refit_due
from customer_identity.matching.model import Model, format_model
from dedupe_detector.adapters import decision_tables, model_tables
from dedupe_detector.adapters.postgres_index import PostgresIndex
from dedupe_detector.application.fit_to_index import fit_to_index
from event_runtime.logs import get_logger

_FEWEST_DECISIONS: Final = 20
_log = get_logger(__name__)


class RefitModels:
    """Work to be called now and then. Of many workers one fits at a time, in a transaction of its own."""

    def __init__(self, engine: Engine, start: Model) -> None:
        """`start` has the priors of every fit."""
        self._engine = engine
        self._start = start

    def run_due(self) -> list[str]:
        """Fits the models of all tenants whose base has grown, or where people have decided, enough; the versions."""
        with self._engine.begin() as connection:
            if not model_tables.alone(connection):
                return []
            fitted_to = model_tables.fitted_to(connection)
            held = _records(connection, list(fitted_to))
            decided = decision_tables.counts(connection)
        return [
            version
            for tenant, records in fitted_to.items()
            if (refit_due(held[tenant], records) or _decisions_due(*decided.get(tenant, (0, 0))))
            and (version := self._fit_alone(tenant)) is not None
        ]

    def _fit_alone(self, tenant: str) -> str | None:
        with self._engine.begin() as connection:
            if not model_tables.alone(connection):
                return None
            fitted = fit_to_index(connection, self._start, tenant)
            model_tables.insert(connection, tenant, fitted.model.version, fitted.records, format_model(fitted.model))
        _log.info(
            "model_fitted",
            model_version=fitted.model.version,
            duplicates_per_record=fitted.model.duplicates_per_record,
            decisions=fitted.decisions,
        )
        return fitted.model.version


def _records(connection: Connection, tenants: list[str]) -> Mapping[str, int]:
    counts = PostgresIndex(connection).counts([records_code(tenant) for tenant in tenants])
    return dict(zip(tenants, counts.tolist(), strict=True))


def _decisions_due(decided: int, fresh: int) -> bool:
    """Twice as many decisions as at the last fit, as with records."""
    return fresh >= max(_FEWEST_DECISIONS, decided - fresh)
