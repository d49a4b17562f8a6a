"""Which model scores whom: each tenant's newest fit, or the pinned one, or the model the service starts with."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from customer_identity.matching.model import Model, ModelError, parse_model
from dedupe_detector.adapters import model_tables
from event_runtime.logs import get_logger

_MOST_KEPT = 256  # parsed models; some ten kilobytes each
_log = get_logger(__name__)


class ScoringModels:
    """Reads versions once a batch, so that a batch is scored by one model; parses a model when it is first used."""

    def __init__(self, start: Model) -> None:
        """With the model of tenants that have no fit yet."""
        self.start = start
        self._parsed: dict[tuple[str, str], Model] = {}

    def of(self, connection: Connection, tenants: Iterable[str]) -> Mapping[str, Model]:
        """The model of each of these tenants."""
        wanted = set(tenants)
        versions = model_tables.scoring(connection, wanted)
        return {
            tenant: self._model(connection, tenant, versions[tenant]) if tenant in versions else self.start
            for tenant in wanted
        }

    def _model(self, connection: Connection, tenant: str, version: str) -> Model:
        found = self._parsed.get((tenant, version))
        if found is None:
            try:
                found = parse_model(model_tables.model_text(connection, tenant, version))
            except ModelError:  # written by another release; the next fit replaces it
                _log.warning("model_unreadable", model_version=version)
                found = self.start
            if len(self._parsed) >= _MOST_KEPT:
                self._parsed.clear()
            self._parsed[tenant, version] = found
        return found
