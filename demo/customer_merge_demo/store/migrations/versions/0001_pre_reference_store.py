"""The reference customer store: customers, what hangs on them, and the storefront's outbox.

Fill factors leave room on the page for the updates a merge makes (heap-only updates need it).
Every child names its customer by (tenant_id, customer_id), so two tenants never share an id.
"""

from __future__ import annotations

from alembic import op

from event_runtime.migrate import runtime_ddl_v1

revision = "0001_pre_reference_store"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "store"

_CUSTOMERS = """
CREATE TABLE store.customers (
    tenant_id      text        NOT NULL,
    customer_id    text        NOT NULL CHECK (length(customer_id) BETWEEN 1 AND 200),
    type           text        NOT NULL DEFAULT 'INDIVIDUAL' CHECK (type IN ('INDIVIDUAL', 'ORGANISATION')),
    version        integer     NOT NULL DEFAULT 1 CHECK (version >= 1),
    status         text        NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'INACTIVE', 'MERGED')),
    merged_into    text,
    source         text,
    full_name      text,
    given_name     text,
    middle_name    text,
    family_name    text,
    date_of_birth  text,
    gender         text,
    national_id    text,
    occupation     text,
    language       text,
    currency       text,
    has_login      boolean     NOT NULL DEFAULT false,
    legal_hold     boolean     NOT NULL DEFAULT false,
    notes          text,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_active_at timestamptz,
    PRIMARY KEY (tenant_id, customer_id),
    FOREIGN KEY (tenant_id, merged_into) REFERENCES store.customers (tenant_id, customer_id),
    CHECK ((status = 'MERGED') = (merged_into IS NOT NULL)),
    CHECK (merged_into <> customer_id)
) WITH (fillfactor = 85)
"""

# Columns of each child besides id, tenant_id and customer_id; a unique constraint over the
# customer is what makes a table need a collision policy in the merge plan. `verified` is null
# where nobody has said.
_CHILDREN: dict[str, str] = {
    "emails": """
        email       text        NOT NULL,
        email_key   text        NOT NULL,
        verified    boolean,
        is_primary  boolean     NOT NULL DEFAULT false,
        created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (tenant_id, customer_id, email_key)""",
    "phones": """
        phone       text        NOT NULL,
        phone_key   text        NOT NULL,
        verified    boolean,
        is_primary  boolean     NOT NULL DEFAULT false,
        created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (tenant_id, customer_id, phone_key)""",
    "addresses": """
        street      text,
        city        text,
        region      text,
        postal_code text,
        country     text,
        kind        text        NOT NULL DEFAULT 'SHIPPING',
        created_at  timestamptz NOT NULL DEFAULT clock_timestamp()""",
    "consents": """
        channel     text        NOT NULL,
        granted     boolean     NOT NULL,
        evidence    text,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (tenant_id, customer_id, channel)""",
    "external_ids": """
        system      text        NOT NULL,
        external_id text        NOT NULL,
        UNIQUE (tenant_id, system, external_id)""",
    "orders": """
        order_number text       NOT NULL,
        status      text        NOT NULL,
        total_cents bigint      NOT NULL CHECK (total_cents >= 0),
        placed_at   timestamptz NOT NULL DEFAULT clock_timestamp()""",
    "tickets": """
        subject     text        NOT NULL,
        status      text        NOT NULL,
        opened_at   timestamptz NOT NULL DEFAULT clock_timestamp()""",
    "loyalty_ledger": """
        points      bigint      NOT NULL,
        reason      text        NOT NULL,
        at          timestamptz NOT NULL DEFAULT clock_timestamp()""",
    "customer_tags": """
        tag         text        NOT NULL,
        UNIQUE (tenant_id, customer_id, tag)""",
}

# points is the sum of the customer's ledger rows at all times.
_LOYALTY_ACCOUNTS = """
CREATE TABLE store.loyalty_accounts (
    tenant_id   text   NOT NULL,
    customer_id text   NOT NULL,
    program     text   NOT NULL,
    points      bigint NOT NULL DEFAULT 0,
    tier        text   NOT NULL DEFAULT 'BASIC',
    PRIMARY KEY (tenant_id, customer_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES store.customers (tenant_id, customer_id)
) WITH (fillfactor = 90)
"""


def upgrade() -> None:
    """Create the store's tables and its outbox."""
    op.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    op.execute(_CUSTOMERS)
    op.execute(
        "CREATE INDEX customers_merged_into ON store.customers (tenant_id, merged_into) WHERE merged_into IS NOT NULL"
    )
    for table, columns in _CHILDREN.items():
        op.execute(_child_ddl(table, columns))
        op.execute(f"CREATE INDEX {table}_customer ON store.{table} (tenant_id, customer_id)")
    op.execute("CREATE INDEX emails_key ON store.emails (tenant_id, email_key)")
    op.execute("CREATE INDEX phones_key ON store.phones (tenant_id, phone_key)")
    op.execute(_LOYALTY_ACCOUNTS)
    for statement in runtime_ddl_v1(SCHEMA):
        op.execute(statement)


def downgrade() -> None:
    """Drop the store and everything in it."""
    op.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def _child_ddl(table: str, columns: str) -> str:
    return f"""
CREATE TABLE store.{table} (
    id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    tenant_id   text   NOT NULL,
    customer_id text   NOT NULL,{columns},
    FOREIGN KEY (tenant_id, customer_id) REFERENCES store.customers (tenant_id, customer_id)
) WITH (fillfactor = 90)"""
