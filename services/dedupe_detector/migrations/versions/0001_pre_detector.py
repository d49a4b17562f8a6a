"""Records and their keys, counters, found pairs, the identity map as the detector knows it.

Revision ID: 0001_pre_detector
"""

from event_runtime.migrate import in_order
from event_runtime.runtime_ddl import runtime_ddl_v1

revision = "0001_pre_detector"
down_revision = None
branch_labels = None
depends_on = None

# comparable: JSON array of the normalised values; null once the customer is erased (the row stays, so that it stays so).
RECORDS = """
CREATE TABLE detector.records (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    version bigint NOT NULL,
    source text NOT NULL,
    comparable text,
    normaliser integer NOT NULL,
    erased boolean NOT NULL DEFAULT false,
    indexed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (tenant_id, customer_id)
) WITH (fillfactor = 85)
"""

# code: hash of tenant, key family and value; the primary key is all a look-up reads (index-only).
POSTINGS = """
CREATE TABLE detector.postings (
    code bigint NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (code, number)
)
"""

# How many records hold a value, have a field, exist at all; code: hash of tenant, counter and value.
COUNTERS = """
CREATE TABLE detector.counters (
    code bigint PRIMARY KEY,
    held bigint NOT NULL
) WITH (fillfactor = 70)
"""

# E-mail addresses and phones that people of clearly different names share.
CONTESTED = """
CREATE TABLE detector.contested (
    code bigint PRIMARY KEY,
    noticed_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

# One row a pair of customers, a < b. evidence: digest of levels, cautions and model; null: not compared yet.
PAIRS = """
CREATE TABLE detector.pairs (
    tenant_id text NOT NULL,
    a text NOT NULL,
    b text NOT NULL,
    state text NOT NULL CHECK (state IN ('OPEN', 'WITHDRAWN', 'NOT_DUPLICATE', 'MERGED')),
    revision bigint NOT NULL,
    grade smallint NOT NULL CHECK (grade BETWEEN 0 AND 3),
    previous_grade smallint NOT NULL DEFAULT 0,
    score double precision NOT NULL,
    evidence bytea,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, a, b),
    CHECK (a < b)
) WITH (fillfactor = 80)
"""
PAIRS_BY_B = "CREATE INDEX pairs_b ON detector.pairs (tenant_id, b)"

IDENTITIES = """
CREATE TABLE detector.identities (
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    canonical_id text NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
) WITH (fillfactor = 85)
"""
IDENTITIES_BY_CANONICAL = "CREATE INDEX identities_canonical ON detector.identities (tenant_id, canonical_id)"

TABLES = (RECORDS, POSTINGS, COUNTERS, CONTESTED, PAIRS, PAIRS_BY_B, IDENTITIES, IDENTITIES_BY_CANONICAL)

upgrade = in_order(*runtime_ddl_v1("detector"), *TABLES)
downgrade = in_order("DROP SCHEMA detector CASCADE")
