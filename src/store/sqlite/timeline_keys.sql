-- The rows of the customer's billing keys, the newest first; never the keys.
-- $1 subscription
SELECT k.id, k.channel_key, k.pg_provider, k.state, k.unusable_reason, k.created_at, k.updated_at
FROM billing_keys k
JOIN subscriptions s ON s.customer_id = k.customer_id
WHERE s.id = $1
ORDER BY k.created_at DESC, k.id DESC
