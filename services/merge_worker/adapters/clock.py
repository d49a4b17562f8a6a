"""The one clock of the worker: the database's. Workers on machines with other ideas of the time agree by it."""

from datetime import datetime

from sqlalchemy import Connection, text

_NOW = text("SELECT clock_timestamp()")


def database_time(connection: Connection) -> datetime:
    """Return the database's time now, aware, in UTC."""
    now: datetime = connection.execute(_NOW).scalar_one()
    return now
