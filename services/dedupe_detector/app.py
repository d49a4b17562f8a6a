"""The composition root: the one place that knows every concrete class of the detector."""

from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from customer_events import CATALOGUE, quarantined_record, schemas_directory
from customer_identity.faults import IdentityFault
from customer_identity.matching.model import Model
from dedupe_detector.adapters.files import FileProblem, read_model, shipped_model
from dedupe_detector.application.detect_duplicates import DetectDuplicates
from dedupe_detector.application.explain_pair import ExplainPair
from dedupe_detector.application.find_candidates import FindCandidates
from dedupe_detector.application.refit_models import RefitModels
from dedupe_detector.settings import CONSUMED_TOPICS, PRODUCED_TOPICS, DetectorSettings
from event_runtime.faults import SettingError
from event_runtime.health import Progress
from event_runtime.pipeline import Pipeline
from event_runtime.service import Service
from event_runtime.wiring import Wiring

NAME = "dedupe-detector"
PACKAGE = "dedupe_detector"
SCHEMA = "detector"
SOURCE = "/customer-merge/dedupe-detector"
_LOOK_AT_GROWTH_S = 15.0  # a few index probes; how late a grown base is noticed


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

    def consumer_service(self, *, relay: bool) -> Service:
        """What `run` runs: the consumer and, unless told otherwise, the relay."""
        service = self.wiring.service()
        service.loop("consumer", self._pipeline)
        if self.settings.learn:
            service.every(_LOOK_AT_GROWTH_S, "learning", RefitModels(self.database, self.model).run_due)
        if relay:
            service.loop("relay", self.wiring.relay)
        return service

    def relay_service(self) -> Service:
        """What `relay` runs: the relay alone."""
        service = self.wiring.service()
        service.loop("relay", self.wiring.relay)
        return service

    def _pipeline(self, progress: Progress) -> Pipeline:
        handler = DetectDuplicates(FindCandidates(self.model, self.wiring.publisher), self.settings.national_id_key)
        return self.wiring.pipeline(dict.fromkeys(CONSUMED_TOPICS, handler), progress)
