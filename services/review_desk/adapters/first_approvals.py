"""Table review.first_approvals: merges of the worker's list that one person approved and another one has to."""

from sqlalchemy import Connection, text

from customer_events import MergeCustomers


class FirstApprovals:
    """Every method runs in the caller's transaction, under the tenant's lock."""

    def of(self, connection: Connection, tenant_id: str, command_id: str) -> MergeCustomers | None:
        """The merge as the first person approved it; `command_id` is the recommendation's."""
        asked = {"tenant_id": tenant_id, "command_id": command_id}
        content = connection.execute(_OF, asked).scalar_one_or_none()
        return None if content is None else MergeCustomers.model_validate_json(content)

    def put(self, connection: Connection, command_id: str, merge: MergeCustomers) -> None:
        """Keep a merge that one person approved, in place of an earlier one."""
        values = {
            "tenant_id": merge.tenant_id,
            "command_id": command_id,
            "approved_by": merge.requested_by.id,
            "content": merge.model_dump_json(),
        }
        connection.execute(_PUT, values)

    def forget(self, connection: Connection, tenant_id: str, command_id: str) -> None:
        """Nothing waits any more."""
        connection.execute(_FORGET, {"tenant_id": tenant_id, "command_id": command_id})


_OF = text(
    "SELECT content FROM review.first_approvals WHERE tenant_id = :tenant_id AND command_id = :command_id FOR UPDATE"
)
_PUT = text(
    "INSERT INTO review.first_approvals (tenant_id, command_id, approved_by, content)"
    " VALUES (:tenant_id, :command_id, :approved_by, :content)"
    " ON CONFLICT (tenant_id, command_id) DO UPDATE SET approved_by = excluded.approved_by,"
    " content = excluded.content, approved_at = clock_timestamp()"
)
_FORGET = text("DELETE FROM review.first_approvals WHERE tenant_id = :tenant_id AND command_id = :command_id")
