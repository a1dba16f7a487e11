-- $1 rows, $2 now or NULL
INSERT INTO plans AS p (id, name, amount, currency, interval, tier, fallback_tier, order_name, created_at, updated_at)
SELECT i.id, i.name, i.amount, i.currency, i.interval, i.tier, i.fallback_tier, i.order_name, t.now, t.now
FROM json_to_recordset($1::json) AS i (
    id text, name text, amount bigint, currency text, interval text, tier text, fallback_tier text, order_name text)
CROSS JOIN (SELECT coalesce($2::timestamptz, clock_timestamp()) AS now) t
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, amount = excluded.amount, currency = excluded.currency, interval = excluded.interval,
    tier = excluded.tier, fallback_tier = excluded.fallback_tier, order_name = excluded.order_name,
    updated_at = excluded.updated_at
