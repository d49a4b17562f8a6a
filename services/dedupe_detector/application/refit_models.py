"""Fit each tenant's model again as its base grows."""

from typing import Final

import numpy as np
from sqlalchemy import Connection, Engine

from customer_identity.matching.index import records_code
from customer_identity.matching.learning import random_levels, refit_due
from customer_identity.matching.matcher import Matcher
from customer_identity.matching.model import Model, format_model
from customer_identity.matching.training import Observation, fit
from dedupe_detector.adapters import model_tables
from dedupe_detector.adapters.postgres_index import PostgresIndex
from event_runtime.logs import get_logger

_SAMPLED_RECORDS: Final = 4_000  # some 40,000 candidate pairs: what a fit in memory keeps, too
_BATCH_RECORDS: Final = 100
_RANDOM_PAIRS: Final = 40_000
_log = get_logger(__name__)


class RefitModels:
    """Work to be called now and then. Of many workers one fits at a time, in a transaction of its own."""

    def __init__(self, engine: Engine, start: Model) -> None:
        """`start` has the priors of every fit."""
        self._engine = engine
        self._start = start

    def run_due(self) -> list[str]:
        """Fits the models of all tenants whose base has grown enough; the new versions."""
        with self._engine.begin() as connection:
            if not model_tables.alone(connection):
                return []
            fitted_to = model_tables.fitted_to(connection)
            counts = PostgresIndex(connection).counts(records_code(tenant) for tenant in fitted_to)
        held = {tenant: counts.get(records_code(tenant), 0) for tenant in fitted_to}
        return [
            version
            for tenant, records in fitted_to.items()
            if refit_due(held[tenant], records) and (version := self._fit_alone(tenant, held[tenant])) is not None
        ]

    def _fit_alone(self, tenant: str, records: int) -> str | None:
        with self._engine.begin() as connection:
            if not model_tables.alone(connection):
                return None
            model = self._fitted(connection, tenant, records)
            model_tables.insert(connection, tenant, model.version, records, format_model(model))
        _log.info("model_fitted", model_version=model.version, duplicates_per_record=model.duplicates_per_record)
        return model.version

    def _fitted(self, connection: Connection, tenant: str, records: int) -> Model:
        """From what blocking finds for a sample of the tenant's records among those before them."""
        entries = model_tables.sample(connection, tenant, _SAMPLED_RECORDS)
        matcher = Matcher(self._start, PostgresIndex(connection))
        found = [
            matcher.match(entries[first : first + _BATCH_RECORDS], only_earlier=True)
            for first in range(0, len(entries), _BATCH_RECORDS)
        ]
        seen = Observation(
            records=len(entries),
            others=float(records),
            levels=np.concatenate([matches.levels for matches in found]),
            log_frequency=np.concatenate([matches.log_frequency for matches in found]).astype(np.float32),
            pairs_a_row=1.0,
            random_levels=random_levels([entry.record for entry in entries], _RANDOM_PAIRS, seed=records),
        )
        return fit(self._start, seen, f"{self._start.version}+{records}")
