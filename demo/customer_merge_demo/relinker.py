"""One sample downstream team's relinker as a process: `python -m customer_merge_demo.relinker crm`.

Reads customer-merged, moves the system's own rows, acknowledges; all in one transaction with its position.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from customer_events import CATALOGUE, TOPICS, quarantined_record, schemas_directory
from customer_merge_demo.downstream import DownstreamSystem
from customer_merge_demo.systems import SYSTEM_NAMES, named
from event_runtime.faults import Fault, SettingError
from event_runtime.service import Service
from event_runtime.settings import ServiceSettings
from event_runtime.wiring import Wiring
from relink import RelinkHandler

_READS = "customer-merged"
_WRITES = ("relink-ack", "merge-quarantine")


class RelinkerSettings(ServiceSettings):
    """What a relinker is told by its environment."""

    model_config = SettingsConfigDict(env_prefix="RELINKER_")
    known_topics: ClassVar[tuple[str, ...]] = tuple(TOPICS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one system's relinker until a signal comes; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m customer_merge_demo.relinker", description=__doc__)
    parser.add_argument("system", choices=SYSTEM_NAMES)
    system = named(parser.parse_args(arguments).system)
    try:
        settings = RelinkerSettings.load(os.environ, dotenv=None)
        return _service(system, settings).run()
    except SettingError as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    except Fault as fault:
        sys.stderr.write(f"{fault}\n")
        return 1


def _service(system: DownstreamSystem, settings: RelinkerSettings) -> Service:
    name = system.system
    wiring = Wiring(
        settings=settings.model_copy(update={"group": settings.group or name}),
        name=f"relinker-{name}",
        package=f"customer_merge_demo.{name}",
        schema=name,
        source=f"/customer-merge/demo/{name}",
        catalogue=CATALOGUE,
        schemas_directory=schemas_directory(),
        quarantine_event=quarantined_record,
        consumed=(_READS,),
        produced=_WRITES,
        carrier="relink-ack",
    )
    handler = RelinkHandler(relinker=system, publisher=wiring.publisher, schema=name)
    service = wiring.service()
    service.loop("merges", lambda progress: wiring.pipeline({_READS: handler}, progress))
    service.loop("relay", wiring.relay)
    return service


if __name__ == "__main__":
    sys.exit(main())
