-- A key that the gateway called unusable stays so: importing it again does not bring it back.
-- $1 rows, $2 now or NULL
INSERT INTO billing_keys (id, customer_id, billing_key, channel_key, pg_provider, created_at, updated_at)
SELECT i.id, i.customer_id, i.billing_key, i.channel_key, i.pg_provider, t.now, t.now
FROM json_to_recordset($1::json) AS i (
    id text, customer_id text, billing_key text, channel_key text, pg_provider text)
CROSS JOIN (SELECT coalesce($2::timestamptz, clock_timestamp()) AS now) t
ON CONFLICT (id) DO UPDATE
SET customer_id = excluded.customer_id, billing_key = excluded.billing_key, channel_key = excluded.channel_key,
    pg_provider = excluded.pg_provider, updated_at = excluded.updated_at
