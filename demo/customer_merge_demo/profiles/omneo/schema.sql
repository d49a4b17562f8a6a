-- A loyalty platform: profiles with identities in connected platforms, transactions, points, tiers, rewards, benefits.
-- Keys are UUIDs, there is one programme and so no tenant, and no row says which version of itself it is.
CREATE SCHEMA omneo;

CREATE TABLE omneo.profiles (
    id                  uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    first_name          text,
    last_name           text,
    email               text,
    email_confirmed     boolean     NOT NULL DEFAULT false,
    mobile_phone        text,
    birth_date          date,
    gender              text,
    tier                text        NOT NULL DEFAULT 'BRONZE' CHECK (tier IN ('GOLD', 'SILVER', 'BRONZE')),
    tags                text[]      NOT NULL DEFAULT '{}',
    frozen              boolean     NOT NULL DEFAULT false,
    referred_by         uuid        REFERENCES omneo.profiles,
    joined_at           timestamptz NOT NULL DEFAULT now(),
    last_transaction_at timestamptz
);

-- What other platforms call the person: point of sale, web shop, mailing tool.
CREATE TABLE omneo.identities (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    profile_id uuid NOT NULL REFERENCES omneo.profiles,
    handle     text NOT NULL,
    identifier text NOT NULL,
    UNIQUE (handle, identifier)
);

CREATE TABLE omneo.transactions (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    profile_id    uuid        NOT NULL REFERENCES omneo.profiles,
    receipt       text        NOT NULL UNIQUE,
    total_cents   bigint      NOT NULL,
    transacted_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE omneo.point_balances (
    profile_id uuid   PRIMARY KEY REFERENCES omneo.profiles,
    available  bigint NOT NULL DEFAULT 0,
    lifetime   bigint NOT NULL DEFAULT 0
);

-- Written by the point engine, which keeps old ids for a while: nothing in the database ties it to a profile.
CREATE TABLE omneo.point_entries (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    profile_id uuid        NOT NULL,
    points     bigint      NOT NULL,
    reason     text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE omneo.tier_progress (
    profile_id  uuid   PRIMARY KEY REFERENCES omneo.profiles,
    spend_cents bigint NOT NULL DEFAULT 0,
    visits      bigint NOT NULL DEFAULT 0
);

CREATE TABLE omneo.rewards (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    profile_id  uuid        NOT NULL REFERENCES omneo.profiles,
    reward      text        NOT NULL,
    value_cents bigint      NOT NULL,
    redeemed    boolean     NOT NULL DEFAULT false,
    expires_at  timestamptz
);

-- A profile holds a benefit once; of two, the one that lasts longer stays.
CREATE TABLE omneo.benefits (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    profile_id uuid        NOT NULL REFERENCES omneo.profiles,
    benefit    text        NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (profile_id, benefit)
);

CREATE TABLE omneo.consents (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    profile_id uuid        NOT NULL REFERENCES omneo.profiles,
    channel    text        NOT NULL,
    opted_in   boolean     NOT NULL,
    evidence   text,
    decided_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (profile_id, channel)
);

-- Every merge looks a profile's rows up by id.
CREATE INDEX ON omneo.profiles (referred_by);
CREATE INDEX ON omneo.identities (profile_id);
CREATE INDEX ON omneo.transactions (profile_id);
CREATE INDEX ON omneo.point_entries (profile_id);
CREATE INDEX ON omneo.rewards (profile_id);

-- A mailing tool that is connected to the programme: its contacts and their sends carry the profile's id. It hears of
-- merges from the bus, and moves its own rows.
CREATE SCHEMA omneo_mailer;
CREATE TABLE omneo_mailer.contacts (
    original_profile_id uuid PRIMARY KEY,
    profile_id          uuid NOT NULL,
    list                text NOT NULL
);
