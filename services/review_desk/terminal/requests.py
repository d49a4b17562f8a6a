"""`review-desk requests | report`: the worker's list of merges."""

from collections.abc import Collection
from datetime import datetime

from event_runtime.faults import Fault
from event_runtime.output import show_json, write_csv
from review_desk.app import App
from review_desk.terminal.show import REQUEST_COLUMNS, request_json, request_row, show_requests


class NoSchedule(Fault):
    """Nothing is scheduled."""


def requests(app: App, *, tenant_id: str | None, statuses: Collection[str], limit: int | None, form: str) -> int:
    """Print the worker's requests with how eligible they are now; `form` is table, csv or json."""
    with app.reading() as connection:
        found = app.report_requests(connection, tenant_id=tenant_id, statuses=statuses, limit=limit)
    match form:
        case "json":
            show_json([request_json(reported) for reported in found])
        case "csv":
            write_csv([name.replace(" ", "_") for name in REQUEST_COLUMNS], map(request_row, found))
        case _:
            show_requests("Merge requests", found)
    return 0


def next_schedule(app: App) -> datetime:
    """When the worker next tries everything that waits. Raises NoSchedule."""
    with app.reading() as connection:
        at = app.requests.next_schedule(connection)
    if at is None:
        raise NoSchedule("the worker has no schedule (MERGE_WORKER_SCHEDULE__MERGE_AT); give a time")
    return at
