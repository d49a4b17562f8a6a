"""The one clock of the worker: the database's. Workers on machines with other ideas of the time agree by it."""

from datetime import datetime
from typing import cast

from sqlalchemy import Connection

from event_runtime.database import execute

_NOW = "SELECT clock_timestamp()"


def database_time(connection: Connection) -> datetime:
    """Return the database's time now, aware, in UTC."""
    ((now,),) = execute(connection, _NOW)
    return cast("datetime", now)
