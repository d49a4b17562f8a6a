-- The ceiling of the benchmark `merge`: one set-based function that makes the same writes as the worker, inside the server, for
-- merges that are already known to be right. No bus, no decoding, no rules, no survivorship: what is left is PostgreSQL's own work.
CREATE SCHEMA bench;
CREATE SEQUENCE bench.block MINVALUE 0;

-- Sizes of the events as the worker encodes them.
CREATE TABLE bench.bodies (merged bytea, alias bytea, completed bytea, headers text);

CREATE FUNCTION bench.merge_block(first_pair bigint, pairs integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  losers text[]; winners text[]; merges uuid[]; moment timestamptz := clock_timestamp();
  body record; head record; row_digest bytea; chain bytea; digests bytea[] := '{}'; at bigint;
BEGIN
  PERFORM set_config('plan_cache_mode', 'force_generic_plan', true);
  SELECT array_agg('l' || k ORDER BY k), array_agg('w' || k ORDER BY k), array_agg(gen_random_uuid())
    INTO losers, winners, merges FROM generate_series(first_pair, first_pair + pairs - 1) AS k;
  SELECT * INTO body FROM bench.bodies;

  INSERT INTO merge.inbox (tenant_id, message_id, digest)
    SELECT 'bench', 'ceiling-' || l, sha256(l::bytea) FROM unnest(losers) AS l ON CONFLICT DO NOTHING;
  PERFORM 1 FROM store.customers WHERE tenant_id = 'bench' AND customer_id = ANY (losers || winners)
    ORDER BY customer_id FOR UPDATE;

  WITH t AS (SELECT * FROM unnest(merges, losers, winners) AS t(merge_id, loser, winner)),
  u AS (UPDATE store.customers c SET version = c.version + 1, updated_at = clock_timestamp() FROM t
        WHERE c.tenant_id = 'bench' AND c.customer_id = t.winner RETURNING t.merge_id, t.winner)
  INSERT INTO merge.journal SELECT merge_id, 'bench', 'store.customers', winner, 'WINNER', '{}', '{"before": {}, "wrote": {}}' FROM u;

  WITH t AS (SELECT * FROM unnest(merges, losers, winners) AS t(merge_id, loser, winner)),
  u AS (UPDATE store.addresses c SET customer_id = t.winner FROM t
        WHERE c.tenant_id = 'bench' AND c.customer_id = t.loser RETURNING t.merge_id, t.loser, c.id::text AS row_id)
  INSERT INTO merge.journal SELECT merge_id, 'bench', 'store.addresses', loser, 'MOVED', array_agg(row_id), NULL FROM u GROUP BY 1, 4;
  WITH t AS (SELECT * FROM unnest(merges, losers, winners) AS t(merge_id, loser, winner)),
  u AS (UPDATE store.orders c SET customer_id = t.winner FROM t
        WHERE c.tenant_id = 'bench' AND c.customer_id = t.loser RETURNING t.merge_id, t.loser, c.id::text AS row_id)
  INSERT INTO merge.journal SELECT merge_id, 'bench', 'store.orders', loser, 'MOVED', array_agg(row_id), NULL FROM u GROUP BY 1, 4;
  WITH t AS (SELECT * FROM unnest(merges, losers, winners) AS t(merge_id, loser, winner)),
  u AS (UPDATE store.tickets c SET customer_id = t.winner FROM t
        WHERE c.tenant_id = 'bench' AND c.customer_id = t.loser RETURNING t.merge_id, t.loser, c.id::text AS row_id)
  INSERT INTO merge.journal SELECT merge_id, 'bench', 'store.tickets', loser, 'MOVED', array_agg(row_id), NULL FROM u GROUP BY 1, 4;

  WITH t AS (SELECT * FROM unnest(merges, losers, winners) AS t(merge_id, loser, winner)),
  b AS (SELECT t.*, to_jsonb(c) AS image FROM t JOIN store.customers c ON c.tenant_id = 'bench' AND c.customer_id = t.loser),
  u AS (UPDATE store.customers c SET status = 'MERGED', merged_into = t.winner, version = c.version + 1,
          updated_at = clock_timestamp() FROM t WHERE c.tenant_id = 'bench' AND c.customer_id = t.loser)
  INSERT INTO merge.journal SELECT merge_id, 'bench', 'store.customers', loser, 'LOSER', '{}', image FROM b;

  INSERT INTO merge.edges (merge_id, tenant_id, loser_id, winner_id)
    SELECT m, 'bench', l, w FROM unnest(merges, losers, winners) AS t(m, l, w);
  INSERT INTO merge.canonical (tenant_id, customer_id, canonical_id, direct_to, version, merge_id, changed_at)
    SELECT 'bench', l, w, w, 1, m, moment FROM unnest(merges, losers, winners) AS t(m, l, w)
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET version = EXCLUDED.version;
  INSERT INTO merge.merges (merge_id, tenant_id, command_id, winner_id, actor, reason, policy_version, merged_at, undoable_until)
    SELECT m, 'bench', 'ceiling-' || l, w, 'bench', 'bench', 'default', moment, moment + interval '30 days'
    FROM unnest(merges, losers, winners) AS t(m, l, w);

  -- The head last, as the worker does; its hash chains are computed row by row.
  SELECT * INTO head FROM merge.outbox_heads WHERE stream = 0 FOR UPDATE;
  row_digest := head.digest; chain := head.hash; at := head.position;
  FOR i IN 1..pairs LOOP
    chain := sha256(chain || body.merged);
    row_digest := sha256(row_digest || chain || body.merged);  digests := digests || row_digest;
    row_digest := sha256(row_digest || chain || body.alias);  digests := digests || row_digest;
    row_digest := sha256(row_digest || chain || body.completed);  digests := digests || row_digest;
  END LOOP;
  INSERT INTO merge.outbox (stream, position, sequence, event_id, event_type, topic, partition, key, headers, body, digest)
    SELECT 0, at + row_number() OVER (ORDER BY n, kind), CASE kind WHEN 1 THEN head.sequence + n END, gen_random_uuid()::text,
      (ARRAY['CustomerMerged', 'CustomerAlias', 'MergeCompleted'])[kind],
      (ARRAY['customer-merged', 'customer-alias', 'merge-outcome'])[kind], CASE kind WHEN 1 THEN 0 END, winners[n]::bytea,
      body.headers, (ARRAY[body.merged, body.alias, body.completed])[kind], digests[(n - 1) * 3 + kind]
    FROM generate_series(1, pairs) AS n, generate_series(1, 3) AS kind;
  UPDATE merge.outbox_heads SET position = at + pairs * 3, sequence = head.sequence + pairs, hash = chain, digest = row_digest
    WHERE stream = 0;
  UPDATE merge.inbox m SET outcome_id = m.message_id, outcome_type = 'MergeCompleted', outcome_topic = 'merge-outcome',
      outcome_key = m.message_id::bytea, outcome_headers = body.headers, outcome_body = body.completed
    FROM unnest(losers) AS l WHERE m.tenant_id = 'bench' AND m.message_id = 'ceiling-' || l AND m.outcome_id IS NULL;
END $$;
