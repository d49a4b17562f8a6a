"""Alembic asks for this file; the runtime knows how to run migrations in one schema."""

from event_runtime.migrate import run_migrations

run_migrations()
