"""GET /customers/TENANT/ID on the worker's port: who a customer is now. For programs that hold old ids; ids only."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, text

from event_runtime.http_endpoints import HttpAnswer
from merge_engine import MergeEngine

_PARTS = 2
# The one place that says what state a customer is in; see docs/merge-state.md.
_STATE = text(
    "SELECT state, canonical_id, version, merged_at, merged_by, merged_accounts, open_requests"
    "  FROM merge.customer_state WHERE tenant_id = :tenant_id AND customer_id = :customer_id"
)
_MESSAGES = {
    "active": "this customer is current",
    "merge_pending": "a merge of this customer is in process",
    "merged": "this customer was merged; ask for the canonical id",
    "converted": "this customer became another kind of party; ask for the canonical id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerLookup:
    """Answers 200 for a customer that stands, 410 with a Link for an id that was given up, 404 for none at all."""

    engine: MergeEngine
    reading: Callable[[], AbstractContextManager[Connection]]

    def __call__(self, path: tuple[str, ...]) -> HttpAnswer | None:
        """Look a customer up; `path` is its tenant and its id."""
        if len(path) != _PARTS or not all(path) or any("\0" in part for part in path):
            return None
        tenant_id, customer_id = path
        named = {"tenant_id": tenant_id, "customer_id": customer_id}
        with self.reading() as connection:
            row = connection.execute(_STATE, named).mappings().one_or_none()
            if row is None and not self.engine.records(connection, tenant_id, [customer_id]):
                return HttpAnswer(status=HTTPStatus.NOT_FOUND, body={**named, "message": "there is no such customer"})
        found: dict[str, Any] = {"state": "active", "canonical_id": customer_id, "version": 0}
        found.update(row or {})
        body = {**named, **found, "message": _MESSAGES[found["state"]]}
        if found["canonical_id"] == customer_id:
            return HttpAnswer(status=HTTPStatus.OK, body=body)
        place = f"/customers/{quote(tenant_id, safe='')}/{quote(found['canonical_id'], safe='')}"
        return HttpAnswer(status=HTTPStatus.GONE, body=body, headers={"Link": f'<{place}>; rel="canonical"'})
