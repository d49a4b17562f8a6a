"""The worker's merge requests with how eligible each is at this moment: the list people work from."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from customer_identity.merging import RuleFailure
from merge_engine import MergeEngine
from review_desk.adapters.merge_requests import MergeRequest, MergeRequestView
from review_desk.merge_commands import as_order


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReported:
    """A request as it stands now.

    `eligible` is None when it is not open any more. `failing_rules` are all that fail now, and those that ended it when
    it is over; `failures` says of the former what and what to do.
    """

    request: MergeRequest
    eligible: bool | None
    failing_rules: tuple[str, ...]
    failures: tuple[RuleFailure, ...] = ()


class ReportRequests:
    """Reads only."""

    def __init__(self, *, requests: MergeRequestView, merges: MergeEngine) -> None:
        """Reads `requests` and judges the open ones with `merges`."""
        self._requests = requests
        self._merges = merges

    def __call__(
        self, connection: Connection, *, tenant_id: str | None, statuses: Collection[str], limit: int | None = None
    ) -> list[RequestReported]:
        """The requests in these statuses, newest first."""
        found = self._requests.listed(connection, tenant_id=tenant_id, statuses=statuses, limit=limit)
        return list(self.judged(connection, found))

    def judged(self, connection: Connection, requests: Sequence[MergeRequest]) -> Iterator[RequestReported]:
        """Each request with what stands against it now; all rules of all of them are asked at once."""
        orders = [as_order(one.command, first_seen_at=one.created_at) for one in requests if one.is_open]
        previews = iter(self._merges.eligibility(connection, orders) if orders else ())
        for request in requests:
            if not request.is_open:
                yield RequestReported(request=request, eligible=None, failing_rules=request.failed_rules)
                continue
            preview = next(previews)
            yield RequestReported(
                request=request,
                eligible=preview.eligible,
                failing_rules=tuple(dict.fromkeys(failure.rule for failure in preview.failures)),
                failures=preview.failures,
            )
