"""How far bulk work has come: backfills of a customer base, and loads of pairs that were found elsewhere.

Revision ID: 0003_pre_backfill
"""

from event_runtime.migrate import in_order

revision = "0003_pre_backfill"
down_revision = "0002_pre_models"
branch_labels = None
depends_on = None

# source: what is read, by its content or name. position: where to go on; written with the effects of what was read.
BULK_WORK = """
CREATE TABLE detector.bulk_work (
    source text PRIMARY KEY,
    position text NOT NULL,
    records bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
)
"""

upgrade = in_order(BULK_WORK)
downgrade = in_order("DROP TABLE detector.bulk_work")
