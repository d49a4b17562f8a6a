"""Sends commands again whose outcome does not come, the same content under the same id.

The worker answers one that it has done with the outcome it stored, passes over one that waits, and does one that it
never got or that an operator gave up: so no command keeps its customers busy for ever.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import Connection, Engine

from customer_events import CATALOGUE
from event_runtime.drafts import Draft
from event_runtime.logs import get_logger
from event_runtime.publisher import Publisher
from review_desk.adapters.tables import DeskTables

# Commands of one transaction.
_PAGE = 200

_log = get_logger(__name__)


class ResendCommands:
    """Takes what is in flight for too long, a page a transaction; several desks share the work."""

    def __init__(self, *, tables: DeskTables, publisher: Publisher, after: timedelta) -> None:
        """Sends a command again when it is `after` old, then each time it has become twice as old, or a day older."""
        self._tables = tables
        self._publisher = publisher
        self._after = after

    def __call__(self, engine: Engine, publish: Callable[[Connection, Sequence[Draft]], None]) -> int:
        """Send what is due; returns how many commands."""
        sent = 0
        while True:
            with engine.begin() as connection:
                due = self._tables.commands.resend(connection, self._after, _PAGE)
                events = (CATALOGUE[one.command_type].model.model_validate_json(one.content) for one in due)
                publish(connection, [self._publisher.draft(event) for event in events])
            sent += len(due)
            if len(due) < _PAGE:
                break
        if sent:
            _log.warning("commands_sent_again", commands=sent)
        return sent
