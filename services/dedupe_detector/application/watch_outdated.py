"""Say how many indexed records an older normaliser read: nothing but a backfill reads them again."""

from collections.abc import Callable

from sqlalchemy import Engine

from customer_identity.normalise.record import NORMALISER_VERSION
from dedupe_detector.adapters.outdated_records import outdated_records
from event_runtime.logs import get_logger

_log = get_logger(__name__)


class WatchOutdated:
    """Work to be called at the start and now and then; logs what it finds when that is news."""

    def __init__(self, engine: Engine, show: Callable[[float], None]) -> None:
        """`show` is told the number of such records."""
        self._engine = engine
        self._show = show
        self._said = 0

    def look(self) -> None:
        """Count them."""
        with self._engine.connect() as connection:
            found = outdated_records(connection)
        outdated = sum(tenant.outdated for tenant in found)
        self._show(outdated)
        if outdated and outdated != self._said:
            _log.warning(
                "records_outdated",
                outdated=outdated,
                records=sum(tenant.records for tenant in found),
                tenants=len(found),
                oldest=min(tenant.oldest for tenant in found),
                normaliser=NORMALISER_VERSION,
                do="dedupe-detector backfill",
            )
        self._said = outdated
