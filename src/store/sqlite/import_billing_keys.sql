-- A key that the gateway called unusable stays so: importing it again does not bring it back.
-- $1 rows, $2 now
INSERT INTO billing_keys (id, customer_id, billing_key, channel_key, pg_provider, created_at, updated_at)
SELECT i.value ->> 'id', i.value ->> 'customer_id', i.value ->> 'billing_key', i.value ->> 'channel_key',
    i.value ->> 'pg_provider', $2, $2
FROM json_each($1) AS i
WHERE true
ON CONFLICT (id) DO UPDATE
SET customer_id = excluded.customer_id, billing_key = excluded.billing_key, channel_key = excluded.channel_key,
    pg_provider = excluded.pg_provider, updated_at = excluded.updated_at
