"""The composition root: the one place that knows every concrete class of the detector."""

from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from customer_events import CATALOGUE, quarantined_record, schemas_directory
from customer_identity.faults import IdentityFault
from customer_identity.matching.model import Model
from dedupe_detector.adapters.files import read_model, shipped_model
from dedupe_detector.application.backfill import Backfill
from dedupe_detector.application.detect_duplicates import DetectDuplicates
from dedupe_detector.application.explain_pair import ExplainPair
from dedupe_detector.application.find_candidates import FindCandidates
from dedupe_detector.application.load_pairs import LoadPairs
from dedupe_detector.application.refit_models import Growth, RefitModels
from dedupe_detector.application.watch_outdated import WatchOutdated
from dedupe_detector.settings import CONSUMED_TOPICS, PRODUCED_TOPICS, DetectorSettings
from event_runtime.database import create_engine
from event_runtime.faults import SettingError
from event_runtime.files import FileProblem
from event_runtime.health import Progress
from event_runtime.migrate import require_migrated
from event_runtime.pipeline import Pipeline
from event_runtime.service import Service
from event_runtime.wiring import Wiring

NAME = "dedupe-detector"
PACKAGE = "dedupe_detector"
SCHEMA = "detector"
SOURCE = "/customer-merge/dedupe-detector"
_LOOK_FOR_OUTDATED_S = 600.0
_LOOK_AT_DECISIONS_S = 15.0  # a few index probes; growth is noticed with the batch that it comes with


class App:
    """The detector's parts, each made when it is first asked for. Making one connects to nothing."""

    def __init__(self, settings: DetectorSettings) -> None:
        """With settings that were checked."""
        self.settings = settings

    @property
    def database(self) -> Engine:
        """The database that holds the detector's schema."""
        return self.wiring.engine

    @cached_property
    def wiring(self) -> Wiring:
        """What the detector has in common with every service."""
        return Wiring(
            settings=self.settings,
            name=NAME,
            package=PACKAGE,
            schema=SCHEMA,
            source=SOURCE,
            catalogue=CATALOGUE,
            schemas_directory=schemas_directory(),
            quarantine_event=quarantined_record,
            consumed=CONSUMED_TOPICS,
            produced=PRODUCED_TOPICS,
            carrier="merge-candidate",
        )

    @cached_property
    def model(self) -> Model:
        """The model that scores. Raises SettingError when the configured one cannot be used."""
        if not self.settings.model:
            return shipped_model()
        try:
            return read_model(Path(self.settings.model))
        except (FileProblem, IdentityFault) as fault:
            raise SettingError(f"{self.settings.prefix()}MODEL: {fault}") from fault

    @cached_property
    def explain(self) -> ExplainPair:
        """Explanations of pairs."""
        return ExplainPair(self.model)

    @cached_property
    def bulk_database(self) -> Engine:
        """The same database for bulk work: a source's lock, its cursor and its changes are connections of their own."""
        return create_engine(self.settings.database_url(), application_name=f"{NAME} bulk", pool_size=4)

    def backfill(self, *, match: bool, micro_batch: int) -> Backfill:
        """A whole customer base into the index. Raises Fault when the schema is not migrated."""
        self._require_migrated()
        return Backfill(
            engine=self.bulk_database,
            find=FindCandidates(self.model, self.wiring.publisher),
            outbox=self.wiring.outbox,
            learn=RefitModels(self.bulk_database, self.model).run_due if self.settings.learn else None,
            national_id_key=self.settings.national_id_key,
            match=match,
            micro_batch=micro_batch,
        )

    def load_pairs(self, *, micro_batch: int) -> LoadPairs:
        """Pairs that were found elsewhere. Raises Fault when the schema is not migrated."""
        self._require_migrated()
        return LoadPairs(
            engine=self.bulk_database,
            find=FindCandidates(self.model, self.wiring.publisher),
            outbox=self.wiring.outbox,
            micro_batch=micro_batch,
        )

    def consumer_service(self, *, relay: bool) -> Service:
        """What `run` runs: the consumer and, unless told otherwise, the relay."""
        service = self.wiring.service()
        growth = Growth()
        service.loop("consumer", lambda progress: self._pipeline(progress, growth))
        if self.settings.learn:
            refit = RefitModels(self.database, self.model)
            service.every(_LOOK_AT_DECISIONS_S, "learning", refit.run_due, sooner=growth.seen)
        outdated = WatchOutdated(self.database, self.wiring.metrics.outdated_records.set)
        service.every(_LOOK_FOR_OUTDATED_S, "outdated", outdated.look)
        if relay:
            service.loop("relay", self.wiring.relay)
        return service

    def relay_service(self) -> Service:
        """What `relay` runs: the relay alone."""
        service = self.wiring.service()
        service.loop("relay", self.wiring.relay)
        return service

    def _require_migrated(self) -> None:
        with self.bulk_database.connect() as connection:
            require_migrated(connection, package=PACKAGE, schema=SCHEMA)

    def _pipeline(self, progress: Progress, growth: Growth) -> Pipeline:
        find = FindCandidates(self.model, self.wiring.publisher, self.wiring.metrics.capped_keys_total.inc)
        handler = DetectDuplicates(
            find, self.settings.national_id_key, notice=growth.look if self.settings.learn else None
        )
        return self.wiring.pipeline(dict.fromkeys(CONSUMED_TOPICS, handler), progress)
