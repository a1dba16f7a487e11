-- $1 subscription
SELECT id, kind, renewal_id, payload, created_at
FROM events
WHERE subscription_id = $1
ORDER BY id
