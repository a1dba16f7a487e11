-- $1 subscription
SELECT id::text, kind, actor, reason, evidence, subscription_id, renewal_id::text, payment_id, run_id::text, details,
    created_at
FROM actions
WHERE subscription_id = $1::text
ORDER BY created_at, id
