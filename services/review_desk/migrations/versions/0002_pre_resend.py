"""Commands keep their content, so that one whose outcome never came can be sent again.

Revision ID: 0002_pre_resend
Revises: 0001_pre_review_desk
"""

from event_runtime.migrate import in_order

revision = "0002_pre_resend"
down_revision = "0001_pre_review_desk"
branch_labels = None
depends_on = None

# The command as JSON; null for what was sent before this revision, which cannot be sent again.
CONTENT = "ALTER TABLE review.commands ADD COLUMN content text"
LAST_SENT = "ALTER TABLE review.commands ADD COLUMN last_sent_at timestamptz NOT NULL DEFAULT clock_timestamp()"
UNENDED = "CREATE INDEX commands_unended ON review.commands (last_sent_at) WHERE outcome IS NULL"

upgrade = in_order(CONTENT, LAST_SENT, UNENDED)
downgrade = in_order(
    "DROP INDEX review.commands_unended",
    "ALTER TABLE review.commands DROP COLUMN last_sent_at, DROP COLUMN content",
)
