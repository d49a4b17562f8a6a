"""Pauses automatic approval, or resumes it."""

from sqlalchemy import Connection

from customer_events import Actor
from review_desk.adapters.decision_log import DecisionKind, DecisionMade
from review_desk.adapters.desk_control import set_paused
from review_desk.adapters.tables import DeskTables


class PauseApproval:
    """The switch is in the database: it holds for every desk on it, from its next decision on."""

    def __init__(self, *, tables: DeskTables) -> None:
        """Works on `tables`."""
        self._tables = tables

    def __call__(self, connection: Connection, actor: Actor, *, paused: bool, reason: str) -> None:
        """Pause or resume; who did it and why is kept."""
        set_paused(connection, paused=paused, by=actor.id)
        kind = DecisionKind.PAUSED if paused else DecisionKind.RESUMED
        made = DecisionMade(decision=kind, decided_by=actor.id, roles=actor.roles, reason=reason)
        self._tables.decisions.add(connection, [made])
