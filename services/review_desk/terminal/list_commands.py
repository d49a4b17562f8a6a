"""`review-desk requests | report`: the worker's list of merges."""

from collections.abc import Collection

from event_runtime.output import plain, show_json, show_table, write_csv
from review_desk.app import App
from review_desk.application.report_requests import RequestReported
from review_desk.terminal.show import REQUEST_COLUMNS, request_row


def requests(app: App, *, tenant_id: str | None, statuses: Collection[str], limit: int | None, form: str) -> int:
    """Print the worker's requests with how eligible they are now; `form` is table, csv or json."""
    with app.reading() as connection:
        found = list(app.report_requests(connection, tenant_id=tenant_id, statuses=statuses, limit=limit))
    match form:
        case "json":
            show_json([_request_json(reported) for reported in found])
        case "csv":
            write_csv([name.replace(" ", "_") for name in REQUEST_COLUMNS], map(request_row, found))
        case _:
            show_table("Merge requests", REQUEST_COLUMNS, map(request_row, found))
    return 0


def _request_json(reported: RequestReported) -> dict[str, object]:
    return {
        **plain(reported.request),
        "eligible": reported.eligible,
        "failing_rules": list(reported.failing_rules),
    }
