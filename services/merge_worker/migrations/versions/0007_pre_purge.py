"""Which merges still have before-images in the journal.

Revision ID: 0007_pre_purge
Revises: 0006_pre_erasures
"""

from event_runtime.migrate import in_order

revision = "0007_pre_purge"
down_revision = "0006_pre_erasures"
branch_labels = None
depends_on = None

# Set once the images are gone; NULL again when a row that came late left a new one.
PURGED = "ALTER TABLE merge.merges ADD COLUMN purged_at timestamptz"
# The sweep reads those at the beginning: the windows that closed first.
UNPURGED = "CREATE INDEX merges_unpurged ON merge.merges (undoable_until) WHERE purged_at IS NULL"

STATEMENTS: tuple[str, ...] = (PURGED, UNPURGED)

DOWN: tuple[str, ...] = ("DROP INDEX merge.merges_unpurged", "ALTER TABLE merge.merges DROP COLUMN purged_at")

upgrade = in_order(*STATEMENTS)
downgrade = in_order(*DOWN)
