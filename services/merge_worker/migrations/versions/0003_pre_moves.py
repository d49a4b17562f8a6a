"""What more ways of moving rows need in the journal.

Revision ID: 0003_pre_moves
Revises: 0002_pre_requests
"""

from event_runtime.migrate import in_order

revision = "0003_pre_moves"
down_revision = "0002_pre_requests"
branch_labels = None
depends_on = None

_ACTIONS = "'MOVED', 'REMOVED', 'SUMMED', 'CREATED', 'WINNER', 'LOSER'"

# table_name: the table, and after it the customer column where a table has another one than the customer table's key.
# HANDED_OVER: row_ids went from from_id to the order's facilitator; `before` is {to}. CLEARED: their customer is empty.
# CHOSEN_AWAY: `before` is a list of the images of rows that the order did not keep. KEPT: row_ids stay with from_id.
# COPIED: row_ids are new; `before` is a list of {from, row}: the row that was copied, and the image of the copy.
# REFRESHED: `before` is {wrote, rows}: the copies of the winner's fields that row_ids hold now, and what each row held.
STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE merge.journal DROP CONSTRAINT journal_action_check",
    f"""
ALTER TABLE merge.journal ADD CONSTRAINT journal_action_check CHECK (action IN (
    {_ACTIONS}, 'HANDED_OVER', 'CLEARED', 'CHOSEN_AWAY', 'KEPT', 'COPIED', 'REFRESHED'))""",
    "ALTER TABLE merge.merges ADD COLUMN facilitator_id text",
)

DOWN: tuple[str, ...] = (
    "ALTER TABLE merge.merges DROP COLUMN facilitator_id",
    "ALTER TABLE merge.journal DROP CONSTRAINT journal_action_check",
    f"ALTER TABLE merge.journal ADD CONSTRAINT journal_action_check CHECK (action IN ({_ACTIONS}))",
)

upgrade = in_order(*STATEMENTS)
downgrade = in_order(*DOWN)
