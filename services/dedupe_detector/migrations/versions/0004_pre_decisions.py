"""What people decided of pairs.

Revision ID: 0004_pre_decisions
"""

from event_runtime.migrate import in_order

revision = "0004_pre_decisions"
down_revision = "0003_pre_backfill"
branch_labels = None
depends_on = None

# Pairs of customers, a < b, that people were told of. Rows go when either customer is erased.
DECISIONS = """
CREATE TABLE detector.decisions (
    tenant_id text NOT NULL,
    a text NOT NULL,
    b text NOT NULL,
    same boolean NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, a, b),
    CHECK (a < b)
)
"""
DECISIONS_BY_B = "CREATE INDEX decisions_b ON detector.decisions (tenant_id, b)"

upgrade = in_order(DECISIONS, DECISIONS_BY_B)
downgrade = in_order("DROP TABLE detector.decisions")
