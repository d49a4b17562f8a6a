from event_runtime.migrate import run_migrations

run_migrations()
