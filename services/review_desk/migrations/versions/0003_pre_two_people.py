"""Merges that wait for the approval of a second person.

Revision ID: 0003_pre_two_people
Revises: 0002_pre_resend
"""

from event_runtime.migrate import in_order

revision = "0003_pre_two_people"
down_revision = "0002_pre_resend"
branch_labels = None
depends_on = None

_STATES = "'OPEN', 'WAITING', 'APPROVED', 'DONE', 'REJECTED', 'WITHDRAWN', 'CLOSED'"
NO_CHECK = "ALTER TABLE review.cases DROP CONSTRAINT cases_state_check"
CHECK = "ALTER TABLE review.cases ADD CONSTRAINT cases_state_check CHECK (state IN ({states}))"

# The first approval of a recommendation, by the recommendation's command: the merge (JSON) as that person approved it.
FIRST_APPROVALS = """
CREATE TABLE review.first_approvals (
    tenant_id text NOT NULL,
    command_id text NOT NULL,
    approved_by text NOT NULL,
    content text NOT NULL,
    approved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, command_id)
)
"""

upgrade = in_order(NO_CHECK, CHECK.format(states=f"{_STATES}, 'HALF_APPROVED'"), FIRST_APPROVALS)
downgrade = in_order(
    "DROP TABLE review.first_approvals",
    "UPDATE review.cases SET state = 'OPEN', approval = NULL WHERE state = 'HALF_APPROVED'",
    NO_CHECK,
    CHECK.format(states=_STATES),
)
