-- $1 at most
SELECT id, kind, actor, reason, evidence, subscription_id, renewal_id, payment_id, run_id, details, created_at
FROM actions
ORDER BY created_at DESC, id DESC
LIMIT $1
