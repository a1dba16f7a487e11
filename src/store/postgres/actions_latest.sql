-- $1 at most
SELECT id::text, kind, actor, reason, evidence, subscription_id, renewal_id::text, payment_id, run_id::text, details,
    created_at
FROM actions
ORDER BY created_at DESC, id DESC
LIMIT $1::bigint
