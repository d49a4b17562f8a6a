"""Rows that came late: a merge took them along after it was made.

Revision ID: 0010_pre_late_rows
Revises: 0009_pre_approvals
"""

from event_runtime.migrate import in_order

revision = "0010_pre_late_rows"
down_revision = "0009_pre_approvals"
branch_labels = None
depends_on = None

# Somebody wrote the row under an id that had been merged away, after others had passed the merges on its way: an undo
# of any of them takes it back behind them all.
LATE_ROWS = """
CREATE TABLE merge.late_rows (
    merge_id   uuid NOT NULL,
    table_name text NOT NULL,
    row_id     text NOT NULL,
    PRIMARY KEY (merge_id, table_name, row_id)
)
"""

STATEMENTS: tuple[str, ...] = (LATE_ROWS,)

DOWN: tuple[str, ...] = ("DROP TABLE merge.late_rows",)

upgrade = in_order(*STATEMENTS)
downgrade = in_order(*DOWN)
