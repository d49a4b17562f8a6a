"""Records of an older normaliser are counted by an index, and bulk work begins anew after an upgrade.

Revision ID: 0005_pre_outdated
"""

from event_runtime.migrate import in_order

revision = "0005_pre_outdated"
down_revision = "0004_pre_decisions"
branch_labels = None
depends_on = None

# Nearly always nothing is older, and an index says so at once, however large the base.
BY_NORMALISER = "CREATE INDEX records_normaliser ON detector.records (normaliser, tenant_id) WHERE NOT erased"
# normaliser: of the records that this work has read so far; what an older one read is read again.
OF_THE_WORK = "ALTER TABLE detector.bulk_work ADD COLUMN normaliser integer NOT NULL DEFAULT 0"

upgrade = in_order(BY_NORMALISER, OF_THE_WORK)
downgrade = in_order("ALTER TABLE detector.bulk_work DROP COLUMN normaliser", "DROP INDEX detector.records_normaliser")
