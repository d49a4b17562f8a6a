"""The merge engine's tables, and the worker's inbox, outbox and positions.

edges is the truth about who was merged into whom; canonical is derived from it, flat and versioned. The journal holds
what an undo needs: the ids of rows that moved, and images of rows and records that changed.
"""

from __future__ import annotations

from event_runtime.migrate import in_order, runtime_ddl_v1

revision = "0001_pre_merge_engine"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "merge"

TABLES = (
    """
CREATE TABLE merge.merges (
    merge_id       uuid        NOT NULL PRIMARY KEY,
    tenant_id      text        NOT NULL,
    command_id     text        NOT NULL,
    state          text        NOT NULL DEFAULT 'MERGED' CHECK (state IN ('MERGED', 'PARTLY_UNMERGED', 'UNMERGED')),
    winner_id      text        NOT NULL,
    actor          text        NOT NULL,
    reason         text        NOT NULL,
    policy_version text        NOT NULL,
    candidate_id   text,
    merged_at      timestamptz NOT NULL,
    undoable_until timestamptz NOT NULL
)""",
    "CREATE INDEX merges_winner ON merge.merges (tenant_id, winner_id)",
    "CREATE INDEX merges_command ON merge.merges (tenant_id, command_id)",
    """
CREATE TABLE merge.edges (
    merge_id  uuid    NOT NULL,
    tenant_id text    NOT NULL,
    loser_id  text    NOT NULL,
    winner_id text    NOT NULL,
    active    boolean NOT NULL DEFAULT true,
    PRIMARY KEY (merge_id, loser_id),
    CHECK (loser_id <> winner_id)
)""",
    "CREATE UNIQUE INDEX edges_active_loser ON merge.edges (tenant_id, loser_id) WHERE active",
    "CREATE INDEX edges_active_winner ON merge.edges (tenant_id, winner_id) WHERE active",
    # canonical_id = customer_id: a root that was once merged and taken apart again; its version must not fall back.
    """
CREATE TABLE merge.canonical (
    tenant_id    text        NOT NULL,
    customer_id  text        NOT NULL,
    canonical_id text        NOT NULL,
    direct_to    text        NOT NULL,
    version      bigint      NOT NULL CHECK (version >= 1),
    merge_id     uuid        NOT NULL,
    changed_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
) WITH (fillfactor = 85)""",
    "CREATE INDEX canonical_members ON merge.canonical (tenant_id, canonical_id)",
    "CREATE INDEX canonical_changed ON merge.canonical (changed_at)",
    # MOVED: row_ids went from from_id to the winner; `before` holds columns of them that changed with the move, by row.
    # REMOVED: `before` is a list of {row, kept}: the image of a row that lost a collision, and the row that won it.
    # SUMMED: `before` is the image of the loser's row that was added to the winner's. CREATED: the winner's row is new.
    # WINNER: `before` is {before, wrote}: the fields that changed. LOSER: `before` is the image of the whole record.
    """
CREATE TABLE merge.journal (
    merge_id   uuid   NOT NULL,
    tenant_id  text   NOT NULL,
    table_name text   NOT NULL,
    from_id    text   NOT NULL,
    action     text   NOT NULL CHECK (action IN ('MOVED', 'REMOVED', 'SUMMED', 'CREATED', 'WINNER', 'LOSER')),
    row_ids    text[] NOT NULL,
    before     jsonb
)""",
    "CREATE INDEX journal_merge ON merge.journal (merge_id)",
    """
CREATE TABLE merge.not_duplicates (
    tenant_id   text        NOT NULL,
    a_id        text        NOT NULL,
    b_id        text        NOT NULL,
    withdrawn   boolean     NOT NULL DEFAULT false,
    command_id  text        NOT NULL,
    actor       text        NOT NULL,
    reason      text        NOT NULL,
    asserted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, a_id, b_id),
    CHECK (a_id COLLATE "C" < b_id COLLATE "C")
)""",
    """
CREATE TABLE merge.unmerges (
    unmerge_id  uuid        NOT NULL PRIMARY KEY,
    merge_id    uuid        NOT NULL,
    tenant_id   text        NOT NULL,
    command_id  text        NOT NULL,
    loser_ids   text[]      NOT NULL,
    actor       text        NOT NULL,
    reason      text        NOT NULL,
    unmerged_at timestamptz NOT NULL
)""",
    "CREATE INDEX unmerges_merge ON merge.unmerges (merge_id)",
)

upgrade = in_order(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}", *TABLES, *runtime_ddl_v1(SCHEMA))
downgrade = in_order(f"DROP SCHEMA {SCHEMA} CASCADE")
