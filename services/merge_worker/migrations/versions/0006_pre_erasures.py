"""Erased identities, erasures that wait for a person, and the order in which an undo goes back.

Revision ID: 0006_pre_erasures
Revises: 0005_pre_workflow
"""

from event_runtime.migrate import in_order

revision = "0006_pre_erasures"
down_revision = "0005_pre_workflow"
branch_labels = None
depends_on = None

# seq: an undo takes lines back in exactly the opposite order. What an identity goes through happens under one lock, so
# the numbers of its lines are in the order in which they were written.
JOURNAL_ORDER = "ALTER TABLE merge.journal ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY"
JOURNAL_SEQ = "CREATE UNIQUE INDEX journal_seq ON merge.journal (seq)"

# The place of a loser in its order, from 1: a tie between rows goes by it.
EDGE_POSITION = "ALTER TABLE merge.edges ADD COLUMN position integer NOT NULL DEFAULT 1 CHECK (position >= 1)"

# Set once the before-images are gone: such a merge can never be taken apart.
MERGE_ERASED = "ALTER TABLE merge.merges ADD COLUMN erased_at timestamptz"

# One row a CustomerErased. waiting_for: why it is not done yet; merge_ids: the automatic merges that a person has to
# look at first.
ERASURES = """
CREATE TABLE merge.erasures (
    tenant_id         text        NOT NULL,
    customer_id       text        NOT NULL,
    version           bigint      NOT NULL,
    request_reference text,
    state             text        NOT NULL CHECK (state IN ('WAITING', 'CONFIRMED', 'DECLINED', 'DONE')),
    waiting_for       text[]      NOT NULL DEFAULT '{}',
    merge_ids         text[]      NOT NULL DEFAULT '{}',
    member_ids        text[]      NOT NULL DEFAULT '{}',
    requested_at      timestamptz NOT NULL,
    received_at       timestamptz NOT NULL,
    decided_by        text,
    decided_at        timestamptz,
    erased_at         timestamptz,
    PRIMARY KEY (tenant_id, customer_id)
) WITH (fillfactor = 80)
"""
ERASURES_OPEN = "CREATE INDEX erasures_open ON merge.erasures (received_at) WHERE state IN ('WAITING', 'CONFIRMED')"

# Every id of every erased identity: nothing is ever merged with it again.
ERASED = """
CREATE TABLE merge.erased (
    tenant_id    text        NOT NULL,
    customer_id  text        NOT NULL,
    canonical_id text        NOT NULL,
    erased_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
)
"""

STATEMENTS: tuple[str, ...] = (
    JOURNAL_ORDER,
    JOURNAL_SEQ,
    EDGE_POSITION,
    MERGE_ERASED,
    ERASURES,
    ERASURES_OPEN,
    ERASED,
)

DOWN: tuple[str, ...] = (
    "DROP TABLE merge.erased",
    "DROP TABLE merge.erasures",
    "ALTER TABLE merge.merges DROP COLUMN erased_at",
    "ALTER TABLE merge.edges DROP COLUMN position",
    "DROP INDEX merge.journal_seq",
    "ALTER TABLE merge.journal DROP COLUMN seq",
)

upgrade = in_order(*STATEMENTS)
downgrade = in_order(*DOWN)
