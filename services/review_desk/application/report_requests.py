"""The worker's merge requests with how eligible each is at this moment: the list people work from."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from customer_identity import merging
from merge_engine import MergeEngine
from review_desk.adapters.merge_requests import MergeRequest, MergeRequestView


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReported:
    """A request; `eligible` is None when it is not open any more, and `failing_rules` are those that fail now."""

    request: MergeRequest
    eligible: bool | None
    failing_rules: tuple[str, ...]


class ReportRequests:
    """Reads only."""

    def __init__(self, *, requests: MergeRequestView, merges: MergeEngine) -> None:
        """Reads `requests` and judges the open ones with `merges`."""
        self._requests = requests
        self._merges = merges

    def __call__(
        self, connection: Connection, *, tenant_id: str | None, statuses: Collection[str], limit: int | None = None
    ) -> Iterator[RequestReported]:
        """The requests in these statuses, newest first."""
        found = self._requests.listed(connection, tenant_id=tenant_id, statuses=statuses, limit=limit)
        open_orders = [_order(request) for request in found if request.is_open]
        judged = iter(self._merges.eligibility(connection, open_orders))
        for request in found:
            if request.is_open:
                preview = next(judged)
                failing = tuple(dict.fromkeys(failure.rule for failure in preview.failures))
                yield RequestReported(request=request, eligible=preview.eligible, failing_rules=failing)
            else:
                yield RequestReported(request=request, eligible=None, failing_rules=request.failed_rules)


def _order(request: MergeRequest) -> merging.MergeOrder:
    return merging.MergeOrder(
        tenant_id=request.tenant_id,
        command_id=request.command_id,
        winner_id=request.winner_id,
        loser_ids=request.loser_ids,
        requested_by=merging.ActorRef(id=request.requested_by, roles=request.roles),
        reason=request.reason,
        waived_rules=request.waived_rules,
    )
