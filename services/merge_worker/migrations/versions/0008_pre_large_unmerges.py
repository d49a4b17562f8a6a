"""Large merges that are being taken apart: their rows go back in chunks, before anything else is undone.

Revision ID: 0008_pre_large_unmerges
Revises: 0007_pre_purge
"""

from event_runtime.migrate import in_order

revision = "0008_pre_large_unmerges"
down_revision = "0007_pre_purge"
branch_labels = None
depends_on = None

# RETURNING: rows go back, and nothing else is changed yet. TURNED_BACK: the undo was refused when all rows were back
# (`refusal` says why); they go to the winner again. leaving: the losers that go; loser_ids: those that were named.
# cursor: the number (seq) of the line of the journal that was done last. done: what went back and what did not.
# token: grows each time the lease changes hands, as with large merges.
LARGE_UNMERGES = """
CREATE TABLE merge.large_unmerges (
    unmerge_id   uuid        NOT NULL PRIMARY KEY,
    merge_id     uuid        NOT NULL,
    tenant_id    text        NOT NULL,
    command_id   text        NOT NULL,
    mode         text        NOT NULL,
    loser_ids    text[]      NOT NULL,
    actor        text        NOT NULL,
    roles        text[]      NOT NULL,
    reason       text        NOT NULL,
    leaving      text[]      NOT NULL,
    root_id      text        NOT NULL,
    state        text        NOT NULL DEFAULT 'RETURNING'
                 CHECK (state IN ('RETURNING', 'TURNED_BACK', 'COMPLETE', 'REFUSED')),
    cursor       bigint,
    rows_total   bigint      NOT NULL,
    rows_moved   bigint      NOT NULL DEFAULT 0,
    done         jsonb       NOT NULL DEFAULT '{}',
    refusal      jsonb,
    notices      integer     NOT NULL DEFAULT 0,
    noticed_at   timestamptz NOT NULL,
    owner        text,
    token        bigint      NOT NULL DEFAULT 0,
    lease_until  timestamptz NOT NULL,
    problem      text,
    started_at   timestamptz NOT NULL,
    completed_at timestamptz
) WITH (fillfactor = 50)
"""

# Every merge looks whether rows of its customers go back, and movers look for work several times a second.
UNDER_WAY = """
CREATE INDEX large_unmerges_under_way ON merge.large_unmerges (tenant_id, root_id)
 WHERE state IN ('RETURNING', 'TURNED_BACK')
"""
ONE_OF_A_MERGE = """
CREATE UNIQUE INDEX large_unmerges_one ON merge.large_unmerges (merge_id) WHERE state IN ('RETURNING', 'TURNED_BACK')
"""

_MOVING_ON = """
CREATE OR REPLACE VIEW merge.moving_customers AS
SELECT l.tenant_id, e.loser_id AS customer_id, l.merge_id
  FROM merge.large_merges l JOIN merge.edges e USING (merge_id)
 WHERE l.state <> 'COMPLETE' AND e.active
UNION ALL
SELECT l.tenant_id, coalesce(k.canonical_id, m.winner_id), l.merge_id
  FROM merge.large_merges l JOIN merge.merges m USING (merge_id)
  LEFT JOIN merge.canonical k ON k.tenant_id = m.tenant_id AND k.customer_id = m.winner_id
 WHERE l.state <> 'COMPLETE'
"""
MOVING_CUSTOMERS = (
    _MOVING_ON
    + """UNION ALL
SELECT u.tenant_id, e.loser_id, u.merge_id
  FROM merge.large_unmerges u JOIN merge.edges e USING (merge_id)
 WHERE u.state IN ('RETURNING', 'TURNED_BACK') AND e.active
UNION ALL
SELECT u.tenant_id, u.root_id, u.merge_id
  FROM merge.large_unmerges u
 WHERE u.state IN ('RETURNING', 'TURNED_BACK')
"""
)

STATEMENTS: tuple[str, ...] = (LARGE_UNMERGES, UNDER_WAY, ONE_OF_A_MERGE, MOVING_CUSTOMERS)

DOWN: tuple[str, ...] = (_MOVING_ON, "DROP TABLE merge.large_unmerges")

upgrade = in_order(*STATEMENTS)
downgrade = in_order(*DOWN)
