"""Large merges: which of them still move rows, how far they are, and who is moving them.

The rows themselves are listed in the journal: a line with a chunk number is work to do until the cursor has passed it,
and what an undo needs from then on.

Revision ID: 0004_pre_large_merges
Revises: 0003_pre_moves
"""

from event_runtime.migrate import in_order

revision = "0004_pre_large_merges"
down_revision = "0003_pre_moves"
branch_labels = None
depends_on = None

# cursor: the last chunk that was moved. last_chunk: the last one listed. moved: figures by table so far, with what was
# moved at the merge itself. token: grows each time the lease changes hands; who holds an older one changes nothing.
LARGE_MERGES = """
CREATE TABLE merge.large_merges (
    merge_id     uuid        NOT NULL PRIMARY KEY,
    tenant_id    text        NOT NULL,
    command_id   text        NOT NULL,
    state        text        NOT NULL DEFAULT 'LISTING' CHECK (state IN ('LISTING', 'MOVING', 'COMPLETE')),
    cursor       integer     NOT NULL DEFAULT 0,
    last_chunk   integer     NOT NULL DEFAULT 0,
    rows_total   bigint      NOT NULL DEFAULT 0,
    rows_moved   bigint      NOT NULL DEFAULT 0,
    moved        jsonb       NOT NULL,
    notices      integer     NOT NULL DEFAULT 0,
    noticed_at   timestamptz NOT NULL,
    owner        text,
    token        bigint      NOT NULL DEFAULT 0,
    lease_until  timestamptz NOT NULL,
    problem      text,
    started_at   timestamptz NOT NULL,
    completed_at timestamptz,
    CHECK (cursor BETWEEN 0 AND last_chunk)
) WITH (fillfactor = 50)
"""

# The movers look for work several times a second; of all large merges that ever were, few still move.
MOVING = "CREATE INDEX large_merges_moving ON merge.large_merges (started_at) WHERE state <> 'COMPLETE'"

# NULL: moved by the merge itself. 0: followed a newer merge of the winner. From 1: the chunks of a large merge.
CHUNK = "ALTER TABLE merge.journal ADD COLUMN chunk integer CHECK (chunk >= 0)"
CHUNKS = "CREATE UNIQUE INDEX journal_chunks ON merge.journal (merge_id, chunk) WHERE chunk >= 1"

# Whose rows may be in two places at the moment: the losers of merges that still move, and who they are now.
MOVING_CUSTOMERS = """
CREATE VIEW merge.moving_customers AS
SELECT l.tenant_id, e.loser_id AS customer_id, l.merge_id
  FROM merge.large_merges l JOIN merge.edges e USING (merge_id)
 WHERE l.state <> 'COMPLETE' AND e.active
UNION ALL
SELECT l.tenant_id, coalesce(k.canonical_id, m.winner_id), l.merge_id
  FROM merge.large_merges l JOIN merge.merges m USING (merge_id)
  LEFT JOIN merge.canonical k ON k.tenant_id = m.tenant_id AND k.customer_id = m.winner_id
 WHERE l.state <> 'COMPLETE'
"""

STATEMENTS: tuple[str, ...] = (LARGE_MERGES, MOVING, CHUNK, CHUNKS, MOVING_CUSTOMERS)

DOWN: tuple[str, ...] = (
    "DROP VIEW merge.moving_customers",
    "DROP TABLE merge.large_merges",
    "DROP INDEX merge.journal_chunks",
    "ALTER TABLE merge.journal DROP COLUMN chunk",
)

upgrade = in_order(*STATEMENTS)
downgrade = in_order(*DOWN)
