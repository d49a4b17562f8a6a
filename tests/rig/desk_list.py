"""A desk beside a worker's list of requests, without a worker."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import customer_events as wire
from review_desk.adapters.merge_requests import OPEN_STATUSES, MergeRequest
from review_desk.application.report_requests import RequestReported
from review_desk.application.review_requests import Reviewed, Terms
from rig.desk_shop import NOW, STEWARD, TENANT, Shop

ROB = wire.Actor(id="rob", roles=("recommend",))
TERMS = Terms(reason="reviewed")


class Listed:
    """A shop whose worker has requests on its list."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def put(self, request_no: int, command: wire.MergeCustomers | wire.RecommendMerge, status: str) -> str:
        """Put a request on the list, as the worker does."""
        request_id = f"00000000-0000-0000-0000-{request_no:012}"
        with self.shop.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO merge.requests (tenant_id, request_id, command_id, command_type, command, status,"
                " customer_ids, requested_by, next_attempt_at, created_at, updated_at)"
                " VALUES (%s, %s::uuid, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s)",
                (
                    TENANT,
                    request_id,
                    command.command_id,
                    type(command).__name__,
                    command.model_dump_json(),
                    status,
                    [*filter(None, (command.winner_id,)), *command.loser_ids],
                    command.requested_by.id,
                    NOW,
                    NOW + timedelta(seconds=request_no),
                    NOW,
                ),
            )
        return request_id

    def report(self, *statuses: str) -> list[RequestReported]:
        with self.shop.engine.connect() as connection:
            return self.shop.app.report_requests(connection, tenant_id=None, statuses=statuses or OPEN_STATUSES)

    def requests(self) -> list[MergeRequest]:
        return [one.request for one in self.report()]

    def review(
        self, act: str, requests: Sequence[MergeRequest], *terms: object, actor: Any = STEWARD
    ) -> list[Reviewed]:
        with self.shop.engine.begin() as connection:
            reviewed: list[Reviewed] = getattr(self.shop.app.review_requests, act)(connection, actor, requests, *terms)
            self.shop.app.publish(connection, [draft for one in reviewed for draft in one.drafts])
        return reviewed


def recommendation(command_id: str, winner_id: str | None, *loser_ids: str, **more: Any) -> wire.RecommendMerge:
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "command_id": command_id,
        "winner_id": winner_id,
        "loser_ids": loser_ids,
        "requested_by": ROB,
        "reason": "looks the same",
        "issued_at": NOW,
    }
    return wire.RecommendMerge(**(fields | more))
