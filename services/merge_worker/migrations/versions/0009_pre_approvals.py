"""Approvals of commands: proof under MERGE_WORKER_AUTHORITY=approval.

Revision ID: 0009_pre_approvals
Revises: 0008_pre_large_unmerges
"""

from event_runtime.migrate import in_order

revision = "0009_pre_approvals"
down_revision = "0008_pre_large_unmerges"
branch_labels = None
depends_on = None

# content: SHA-256 of what was approved, as the inbox keeps it; other content under the same id is not approved.
APPROVALS = """
CREATE TABLE merge.approvals (
    tenant_id   text        NOT NULL,
    command_id  text        NOT NULL,
    content     bytea       NOT NULL CHECK (octet_length(content) = 32),
    approved_by text        NOT NULL,
    approved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, command_id, content, approved_by)
)
"""

STATEMENTS: tuple[str, ...] = (APPROVALS,)

DOWN: tuple[str, ...] = ("DROP TABLE merge.approvals",)

upgrade = in_order(*STATEMENTS)
downgrade = in_order(*DOWN)
