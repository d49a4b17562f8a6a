"""Fit each tenant's model again as its base grows, and as people decide."""

import threading
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, Engine

from customer_identity.matching.learning import refit_due
from customer_identity.matching.model import Model, format_model
from dedupe_detector.adapters import decision_tables, model_tables
from dedupe_detector.application.fit_to_index import fit_to_index
from event_runtime.logs import get_logger

_FEWEST_DECISIONS: Final = 20
_log = get_logger(__name__)


class RefitModels:
    """Work to be called when a base has grown, and now and then. Of many workers one fits at a time."""

    def __init__(self, engine: Engine, start: Model) -> None:
        """`start` has the priors of every fit."""
        self._engine = engine
        self._start = start

    def run_due(self) -> list[str]:
        """Fits the models of all tenants whose base has grown, or where people have decided, enough; the versions."""
        with self._engine.begin() as connection:
            due = _due(connection, model_tables.tenants(connection))
        return [version for tenant in due if (version := self._fit_alone(tenant)) is not None]

    def _fit_alone(self, tenant: str) -> str | None:
        """In a transaction of its own; None: another worker fits, or has just done so, or it was pinned meanwhile."""
        with self._engine.begin() as connection:
            if not (model_tables.alone(connection) and _due(connection, [tenant])):
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


class Growth:
    """By which a consumer has models fitted when they are due, and not when a clock comes round."""

    def __init__(self) -> None:
        self.seen = threading.Event()
        """Set when a base has news for its model; whoever begins to fit clears it."""

    def look(self, connection: Connection, tenants: Iterable[str]) -> None:
        """To be called with the tenants of every batch: one cheap question. Nobody waits for the fit."""
        if any(_has_grown(base) for base in model_tables.bases(connection, tenants).values()):
            self.seen.set()


def _due(connection: Connection, tenants: Iterable[str]) -> list[str]:
    """Those of the tenants whose model is to be fitted now."""
    decided = decision_tables.counts(connection)
    return [
        tenant
        for tenant, base in model_tables.bases(connection, tenants).items()
        if not base.pinned and (_has_grown(base) or _decisions_due(*decided.get(tenant, (0, 0))))
    ]


def _has_grown(base: model_tables.Base) -> bool:
    return not base.pinned and refit_due(base.records, base.fitted_to)


def _decisions_due(decided: int, fresh: int) -> bool:
    """Twice as many decisions as at the last fit, as with records."""
    return fresh >= max(_FEWEST_DECISIONS, decided - fresh)
