"""Schedules, approvals of recommendations, conversions, and the views that other programs look merges up in.

Revision ID: 0005_pre_workflow
Revises: 0004_pre_large_merges
"""

from event_runtime.migrate import in_order

revision = "0005_pre_workflow"
down_revision = "0004_pre_large_merges"
branch_labels = None
depends_on = None

# A recommendation that somebody approved stands behind the request of that approval until it ends.
APPROVED_AS = "ALTER TABLE merge.requests ADD COLUMN approved_as uuid"
APPROVED_AS_INDEX = """
CREATE INDEX requests_approved_as ON merge.requests (tenant_id, approved_as) WHERE approved_as IS NOT NULL
"""

SCHEDULES = """
CREATE TABLE merge.schedules (
    cron       text        NOT NULL,
    time_zone  text        NOT NULL,
    handled_at timestamptz NOT NULL,
    next_at    timestamptz,
    PRIMARY KEY (cron, time_zone)
)
"""
# cron is null for a run that a person asked for, requests for a time that nobody was there for.
SCHEDULE_RUNS = """
CREATE TABLE merge.schedule_runs (
    run_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cron      text,
    time_zone text,
    due_at    timestamptz NOT NULL,
    run_by    text        NOT NULL,
    requests  bigint,
    run_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (cron, time_zone, due_at)
)
"""

# before: the record as it was, for the audit; erased with the customer.
CONVERSIONS = """
CREATE TABLE merge.conversions (
    conversion_id uuid        NOT NULL PRIMARY KEY,
    tenant_id     text        NOT NULL,
    command_id    text        NOT NULL,
    customer_id   text        NOT NULL,
    new_id        text        NOT NULL,
    from_type     text        NOT NULL,
    to_type       text        NOT NULL,
    relationship  text,
    cleared       text[]      NOT NULL,
    moved         jsonb       NOT NULL,
    before        jsonb,
    actor         text        NOT NULL,
    reason        text        NOT NULL,
    converted_at  timestamptz NOT NULL
)
"""
CONVERSIONS_OLD = "CREATE INDEX conversions_customer ON merge.conversions (tenant_id, customer_id)"
CONVERSIONS_NEW = "CREATE INDEX conversions_new ON merge.conversions (tenant_id, new_id)"

# One row a customer that was ever merged, taken apart, converted, or is named by an open request; docs/merge-state.md.
CUSTOMER_STATE = """
CREATE VIEW merge.customer_state AS
SELECT n.tenant_id,
       n.customer_id,
       CASE WHEN k.canonical_id <> n.customer_id AND v.conversion_id IS NOT NULL THEN 'converted'
            WHEN k.canonical_id <> n.customer_id THEN 'merged'
            WHEN o.open_requests > 0 THEN 'merge_pending'
            ELSE 'active' END AS state,
       coalesce(k.canonical_id, n.customer_id) AS canonical_id,
       coalesce(k.version, 0) AS version,
       e.merge_id,
       coalesce(m.merged_at, v.converted_at) AS merged_at,
       coalesce(m.actor, v.actor) AS merged_by,
       w.merged_accounts,
       o.open_requests,
       EXISTS (SELECT FROM merge.moving_customers y
                WHERE y.tenant_id = n.tenant_id AND y.customer_id = n.customer_id) AS rows_moving
  FROM (SELECT tenant_id, customer_id FROM merge.canonical
        UNION SELECT tenant_id, canonical_id FROM merge.canonical
        UNION SELECT r.tenant_id, c.customer_id
                FROM merge.requests r CROSS JOIN LATERAL unnest(r.customer_ids) AS c(customer_id)
               WHERE r.status IN ('recommended', 'approved', 'deferred')) AS n
  LEFT JOIN merge.canonical k ON k.tenant_id = n.tenant_id AND k.customer_id = n.customer_id
  LEFT JOIN merge.edges e ON e.active AND e.tenant_id = n.tenant_id AND e.loser_id = n.customer_id
  LEFT JOIN merge.merges m ON m.merge_id = e.merge_id
  LEFT JOIN merge.conversions v ON v.conversion_id = e.merge_id
 CROSS JOIN LATERAL (SELECT count(*) AS merged_accounts FROM merge.canonical c
                      WHERE c.tenant_id = n.tenant_id AND c.canonical_id = n.customer_id
                        AND c.customer_id <> n.customer_id) AS w
 CROSS JOIN LATERAL (SELECT count(*) AS open_requests FROM merge.requests r
                      WHERE r.tenant_id = n.tenant_id AND r.customer_ids @> ARRAY[n.customer_id]
                        AND r.status IN ('recommended', 'approved', 'deferred') AND r.approved_as IS NULL) AS o
"""

# Old ids keep resolving: one id in, the id that answers for it now out.
CANONICAL_ID = """
CREATE FUNCTION merge.canonical_id(tenant text, customer text) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog
RETURN coalesce((SELECT k.canonical_id FROM merge.canonical k
                  WHERE k.tenant_id = tenant AND k.customer_id = customer), customer)
"""
CLOSED = "REVOKE ALL ON FUNCTION merge.canonical_id(text, text) FROM PUBLIC"

STATEMENTS: tuple[str, ...] = (
    APPROVED_AS,
    APPROVED_AS_INDEX,
    SCHEDULES,
    SCHEDULE_RUNS,
    CONVERSIONS,
    CONVERSIONS_OLD,
    CONVERSIONS_NEW,
    CUSTOMER_STATE,
    CANONICAL_ID,
    CLOSED,
)

DOWN: tuple[str, ...] = (
    "DROP FUNCTION merge.canonical_id(text, text)",
    "DROP VIEW merge.customer_state",
    "DROP TABLE merge.conversions",
    "DROP TABLE merge.schedule_runs",
    "DROP TABLE merge.schedules",
    "DROP INDEX merge.requests_approved_as",
    "ALTER TABLE merge.requests DROP COLUMN approved_as",
)

upgrade = in_order(*STATEMENTS)
downgrade = in_order(*DOWN)
