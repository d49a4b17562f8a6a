"""The sample downstream systems by name."""

from __future__ import annotations

from customer_merge_demo.crm import Crm
from customer_merge_demo.downstream import DownstreamSystem
from customer_merge_demo.helpdesk import Helpdesk
from customer_merge_demo.loyalty import Loyalty

SYSTEMS: tuple[DownstreamSystem, ...] = (Crm(), Loyalty(), Helpdesk())
SYSTEM_NAMES: tuple[str, ...] = tuple(system.system for system in SYSTEMS)


def named(name: str) -> DownstreamSystem:
    """The system of this name; KeyError when there is none."""
    return {system.system: system for system in SYSTEMS}[name]
