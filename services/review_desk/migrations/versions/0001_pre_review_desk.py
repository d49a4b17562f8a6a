"""Cases, decisions, the identity map as the desk knows it, and what is in flight.

Revision ID: 0001_pre_review_desk
"""

from event_runtime.migrate import in_order
from event_runtime.runtime_ddl import runtime_ddl_v1

revision = "0001_pre_review_desk"
down_revision = None
branch_labels = None
depends_on = None

CASES = """ CREATE TABLE review.cases ( case_no bigint GENERATED ALWAYS AS IDENTITY UNIQUE, tenant_id text
NOT NULL, candidate_id text NOT NULL, revision bigint NOT NULL, pair_a text NOT NULL, pair_b text NOT NULL,
members jsonb NOT NULL, member_ids text[] NOT NULL, score double precision NOT NULL, grade text NOT NULL
CHECK (grade IN ('CERTAIN', 'PROBABLE', 'POSSIBLE')), evidence jsonb NOT NULL, model_version text NOT NULL,
suggested_winner_id text, suggested_why text, safe_to_automate boolean NOT NULL, blocked_because text[] NOT
NULL, detected_at timestamptz NOT NULL, state text NOT NULL CHECK (state IN ('OPEN', 'WAITING', 'APPROVED',
'DONE', 'REJECTED', 'WITHDRAWN', 'CLOSED')), why text[] NOT NULL, attempts integer NOT NULL, command_id
text, merge_id text, approval jsonb, automatic boolean NOT NULL, denied boolean NOT NULL, opened_at
timestamptz NOT NULL DEFAULT clock_timestamp(), changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
PRIMARY KEY (tenant_id, candidate_id) ) WITH (fillfactor = 80)
"""

# What an outcome or a merge touches is found by member; the list is read by state, the surest first.
CASES_BY_MEMBER = "CREATE INDEX cases_member_ids ON review.cases USING gin (member_ids)"
CASES_BY_STATE = "CREATE INDEX cases_state ON review.cases (tenant_id, state, score DESC, case_no)"

IDENTITIES = """
CREATE TABLE review.identities (
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    canonical_id text NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
) WITH (fillfactor = 85)
"""
IDENTITIES_BY_CANONICAL = "CREATE INDEX identities_canonical ON review.identities (tenant_id, canonical_id)"

# The commands the desk sent, and how they ended (null: in flight).
COMMANDS = """
CREATE TABLE review.commands (
    tenant_id text NOT NULL,
    command_id text NOT NULL,
    command_type text NOT NULL,
    candidate_id text,
    customer_ids text[] NOT NULL,
    actor text NOT NULL,
    outcome text,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    PRIMARY KEY (tenant_id, command_id)
) WITH (fillfactor = 80)
"""

# One command at a time for an identity: its canonical id is taken until the command ends.
IN_FLIGHT = """
CREATE TABLE review.in_flight (
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    command_id text NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
) WITH (fillfactor = 50)
"""
IN_FLIGHT_BY_COMMAND = "CREATE INDEX in_flight_command ON review.in_flight (tenant_id, command_id)"

# Who decided what, when, and about which revision. Rows are added and never changed.
DECISIONS = """
CREATE TABLE review.decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text,
    candidate_id text,
    revision bigint,
    command_id text,
    decision text NOT NULL,
    decided_by text NOT NULL,
    roles text[] NOT NULL,
    reason text NOT NULL,
    detail jsonb NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
DECISIONS_BY_CASE = "CREATE INDEX decisions_case ON review.decisions (tenant_id, candidate_id)"

SWITCHES = """
CREATE TABLE review.switches (
    name text PRIMARY KEY,
    is_on boolean NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

upgrade = in_order(
    *runtime_ddl_v1("review"),
    CASES,
    CASES_BY_MEMBER,
    CASES_BY_STATE,
    IDENTITIES,
    IDENTITIES_BY_CANONICAL,
    COMMANDS,
    IN_FLIGHT,
    IN_FLIGHT_BY_COMMAND,
    DECISIONS,
    DECISIONS_BY_CASE,
    SWITCHES,
)
downgrade = in_order("DROP SCHEMA review CASCADE")
