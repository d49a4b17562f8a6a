"""Alembic environment of schema `loyalty`; event_runtime.migrate opens the connection."""

from event_runtime.migrate import run_migrations

run_migrations()
