"""The tables of the runtime in a service's schema, as of each released version. A released list never changes."""

# 1 stream is one partition of a sequenced topic; chosen once, as tenants are spread over the streams by hash.
DEFAULT_STREAMS = 16


def runtime_ddl_v1(schema: str, *, streams: int = DEFAULT_STREAMS) -> list[str]:
    """Statements that make inbox, outbox, positions, quarantine and the relay's tables in an existing `schema`."""
    s = schema
    return [
        f"""CREATE TABLE {s}.inbox (
            tenant_id text NOT NULL, message_id text NOT NULL, digest bytea NOT NULL,
            claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            outcome_id text, outcome_type text, outcome_topic text, outcome_key bytea, outcome_headers text,
            outcome_body bytea,
            PRIMARY KEY (tenant_id, message_id)) WITH (fillfactor = 70)""",
        # headers: a JSON object of strings. partition: set (= stream) for sequenced events only. digest: SHA-256
        # chained over every row.
        f"""CREATE TABLE {s}.outbox (
            stream integer NOT NULL, position bigint NOT NULL, sequence bigint,
            event_id text NOT NULL, event_type text NOT NULL, topic text NOT NULL, partition integer,
            key bytea, headers text NOT NULL, body bytea, digest bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (stream, position))""",
        # Updated once a batch: room on the page keeps those updates HOT.
        f"""CREATE TABLE {s}.outbox_heads (
            stream integer PRIMARY KEY, position bigint NOT NULL DEFAULT 0, sequence bigint NOT NULL DEFAULT 0,
            hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
            digest bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')) WITH (fillfactor = 20)""",
        f"INSERT INTO {s}.outbox_heads (stream) SELECT generate_series(0, {streams - 1})",
        # The relay's mark is a table of its own, so that relay and appenders never wait for each other.
        f"""CREATE TABLE {s}.outbox_published (
            stream integer PRIMARY KEY, position bigint NOT NULL DEFAULT 0,
            digest bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
            published_at timestamptz) WITH (fillfactor = 20)""",
        f"INSERT INTO {s}.outbox_published (stream) SELECT generate_series(0, {streams - 1})",
        # Makes transactional ids unique on a Kafka that several databases share.
        f"CREATE TABLE {s}.outbox_identity (id uuid PRIMARY KEY DEFAULT gen_random_uuid())",
        f"INSERT INTO {s}.outbox_identity DEFAULT VALUES",
        f"""CREATE TABLE {s}.relay_lease (
            slot integer PRIMARY KEY, owner text NOT NULL, token bigint NOT NULL,
            expires_at timestamptz NOT NULL) WITH (fillfactor = 20)""",
        f"""CREATE TABLE {s}.positions (
            consumer_group text NOT NULL, cluster text NOT NULL, topic text NOT NULL, partition integer NOT NULL,
            next_offset bigint NOT NULL, updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (consumer_group, cluster, topic, partition)) WITH (fillfactor = 20)""",
        f"""CREATE TABLE {s}.partition_starts (
            consumer_group text NOT NULL, cluster text NOT NULL, topic text NOT NULL, partition integer NOT NULL,
            starts integer NOT NULL, at_offset bigint NOT NULL, trying_offset bigint,
            started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (consumer_group, cluster, topic, partition))""",
        # sealed: key, headers and value under the quarantine key; null when no key is configured.
        f"""CREATE TABLE {s}.quarantine (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            cluster text NOT NULL, topic text NOT NULL, partition integer NOT NULL, record_offset bigint NOT NULL,
            class text NOT NULL, reason text NOT NULL, digest bytea NOT NULL, sealed bytea, attempts integer NOT NULL,
            event_id text NOT NULL,
            state text NOT NULL DEFAULT 'HELD' CHECK (state IN ('HELD', 'ASKED', 'REPLAYED', 'DISCARDED')),
            quarantined_at timestamptz NOT NULL DEFAULT clock_timestamp(), resolved_at timestamptz, resolved_by text,
            UNIQUE (cluster, topic, partition, record_offset))""",
        f"CREATE INDEX quarantine_state ON {s}.quarantine (state, id)",
    ]
