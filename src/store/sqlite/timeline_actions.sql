-- $1 subscription
SELECT id, kind, actor, reason, evidence, subscription_id, renewal_id, payment_id, run_id, details, created_at
FROM actions
WHERE subscription_id = $1
ORDER BY created_at, id
