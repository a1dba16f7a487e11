-- $1 subscription
SELECT id::text, kind, renewal_id::text, payload, created_at
FROM events
WHERE subscription_id = $1::text
ORDER BY id
