"""The loop of a consumer: poll a batch, understand it, bring it to its end, go on.

The loop never stops polling for longer than a batch takes: while the database is away or a person must help, the
partitions are paused and the group is served, so this member keeps its place.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from event_runtime.batch import Workplace
from event_runtime.breaker import Breaker, BreakerOpen, BreakerPolicy
from event_runtime.bus import BusConsumer
from event_runtime.bus_config import BusFault
from event_runtime.health import Progress
from event_runtime.items import Decoder
from event_runtime.logs import get_logger
from event_runtime.replay import Replays
from event_runtime.session import BatchPolicy, Session

__all__ = ["BatchPolicy", "Pipeline"]

_log = get_logger(__name__)

_BUS_RETRY_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Consumes with one consumer and works in one database.

    `connect` makes the consumer; nothing connects before `run`.
    """

    connect: Callable[[], BusConsumer]
    workplace: Workplace
    codec: Decoder
    progress: Progress
    batch: BatchPolicy = field(default_factory=BatchPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; the batch in hand is finished first.

        Faults of the bus and of the database are waited out. When the breaker opens, the pipeline stands still until
        `stop` is set.
        """
        while not stop.is_set():
            try:
                self._consume(stop)
            except (BusFault, KafkaException) as fault:
                _log.warning("bus_lost", exc_info=fault)
                self.progress.waiting("the bus refuses this consumer; it starts over")
                stop.wait(_BUS_RETRY_S)

    def _consume(self, stop: threading.Event) -> None:
        consumer = self.connect()
        session = Session(
            consumer,
            self.workplace,
            codec=self.codec,
            progress=self.progress,
            policy=self.batch,
            breaker=Breaker(policy=self.breaker),
            replays=Replays(self.workplace, self.codec),
            stop=stop,
        )
        try:
            session.run()
        except BreakerOpen as fault:
            _log.error("breaker_open", exc_info=fault)
            self.workplace.metrics.breaker_open.set(1)
            self.progress.failed(str(fault))
            session.stand_still()
        finally:
            consumer.close()
