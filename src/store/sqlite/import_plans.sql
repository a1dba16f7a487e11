-- $1 rows, $2 now
INSERT INTO plans (id, name, amount, currency, interval, tier, fallback_tier, order_name, created_at, updated_at)
SELECT i.value ->> 'id', i.value ->> 'name', i.value ->> 'amount', i.value ->> 'currency', i.value ->> 'interval',
    i.value ->> 'tier', i.value ->> 'fallback_tier', i.value ->> 'order_name', $2, $2
FROM json_each($1) AS i
WHERE true
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, amount = excluded.amount, currency = excluded.currency, interval = excluded.interval,
    tier = excluded.tier, fallback_tier = excluded.fallback_tier, order_name = excluded.order_name,
    updated_at = excluded.updated_at
