"""`merge-worker schedule`: when everything that waits is tried, what was done, and doing it now."""

from event_runtime.output import say, show_json, show_table
from merge_worker.adapters.clock import database_time
from merge_worker.app import App

_RUNS_SHOWN = 10


def schedule_list(app: App, *, as_json: bool) -> int:
    """Print the cron times that are configured, each with its next time, and the last runs."""
    with app.reading() as connection:
        now = database_time(connection)
        runs = app.schedules.last_runs(connection, _RUNS_SHOWN)
        waiting = app.use_cases.show_status.of_all(connection).requests
    times = [
        {"cron": one.expression, "time_zone": one.time_zone, "next_at": one.next_after(now)}
        for one in app.settings.schedule.crons
    ]
    callable_ = {state: waiting[state] for state in ("approved", "deferred")}
    if as_json:
        show_json({"schedule": times, "waiting": callable_, "runs": runs})
        return 0
    show_table("Schedule", ("cron", "time zone", "next"), [tuple(one.values()) for one in times])
    show_table(
        "Last runs",
        ("run at", "for", "cron", "by", "requests tried"),
        [
            (one.run_at, one.due_at, one.cron, one.run_by, "missed" if one.requests is None else one.requests)
            for one in runs
        ],
    )
    say(", ".join(f"{count} {state}" for state, count in callable_.items()))
    return 0


def schedule_run(app: App, *, tenant_id: str | None, actor: str, as_json: bool) -> int:
    """Have everything tried now that is approved or waits; a running worker does it."""
    with app.database.begin() as connection:
        called = app.run_schedule.now(connection, actor, tenant_id)
    if as_json:
        show_json({"requests": called})
    else:
        say(f"{called} requests are tried now; what became of them: review-desk report")
    return 0
