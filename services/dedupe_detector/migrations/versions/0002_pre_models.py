"""Models fitted to each tenant's own records.

Revision ID: 0002_pre_models
"""

from event_runtime.migrate import in_order

revision = "0002_pre_models"
down_revision = "0001_pre_detector"
branch_labels = None
depends_on = None

# records: how many the tenant had at the fit; the newest fit scores unless one is pinned. model: JSON, as train writes it.
MODELS = """
CREATE TABLE detector.models (
    tenant_id text NOT NULL,
    version text NOT NULL,
    records bigint NOT NULL,
    model text NOT NULL,
    pinned boolean NOT NULL DEFAULT false,
    fitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, version)
)
"""
ONE_PIN = "CREATE UNIQUE INDEX models_pinned ON detector.models (tenant_id) WHERE pinned"

upgrade = in_order(MODELS, ONE_PIN)
downgrade = in_order("DROP TABLE detector.models")
