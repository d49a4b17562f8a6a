"""What waits in the worker: requests that could not end at once, and who has relinked.

Revision ID: 0002_pre_requests
Revises: 0001_pre_merge_engine
"""

from event_runtime.migrate import in_order

revision = "0002_pre_requests"
down_revision = "0001_pre_merge_engine"
branch_labels = None
depends_on = None

REQUESTS = """
CREATE TABLE merge.requests (
    tenant_id text NOT NULL,
    request_id uuid NOT NULL,
    command_id text NOT NULL,
    command_type text NOT NULL CHECK (command_type IN ('MergeCustomers', 'RecommendMerge')),
    command jsonb NOT NULL,
    status text NOT NULL CHECK (status IN (
        'recommended', 'approved', 'running', 'deferred',
        'merged', 'unmerging', 'unmerged', 'removed', 'rejected')),
    customer_ids text[] NOT NULL,
    requested_by text NOT NULL,
    after_command_id text,
    waiting_for text[] NOT NULL DEFAULT '{}',
    rules text[] NOT NULL DEFAULT '{}',
    notices integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    expires_at timestamptz,
    merge_id text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id),
    UNIQUE (tenant_id, command_id)
)
"""

# The scheduler looks for what is due; RemoveMerge looks for a customer's open requests.
REQUESTS_DUE = """
CREATE INDEX requests_due ON merge.requests (next_attempt_at)
 WHERE status IN ('recommended', 'approved', 'deferred')
"""
REQUESTS_OF_CUSTOMER = """
CREATE INDEX requests_of_customer ON merge.requests USING gin (customer_ids)
 WHERE status IN ('recommended', 'approved', 'deferred')
"""
REQUESTS_OF_MERGE = """
CREATE INDEX requests_of_merge ON merge.requests (tenant_id, merge_id) WHERE merge_id IS NOT NULL
"""

RELINK_LEDGER = """
CREATE TABLE merge.relink_ledger (
    tenant_id text NOT NULL,
    merge_id text NOT NULL,
    system text NOT NULL,
    status text NOT NULL CHECK (status IN (
        'PENDING', 'RECEIVED', 'RELINKED', 'FAILED', 'NOT_APPLICABLE')),
    required boolean NOT NULL,
    due_at timestamptz,
    relinked jsonb,
    error text,
    acknowledged_at timestamptz,
    PRIMARY KEY (tenant_id, merge_id, system)
) WITH (fillfactor = 70)
"""

RELINK_OVERDUE = """
CREATE INDEX relink_overdue ON merge.relink_ledger (due_at)
 WHERE required AND status IN ('PENDING', 'RECEIVED', 'FAILED')
"""

upgrade = in_order(
    REQUESTS,
    REQUESTS_DUE,
    REQUESTS_OF_CUSTOMER,
    REQUESTS_OF_MERGE,
    RELINK_LEDGER,
    RELINK_OVERDUE,
)
downgrade = in_order("DROP TABLE merge.relink_ledger", "DROP TABLE merge.requests")
