-- What somebody did by hand.
-- $1 rows
INSERT INTO actions (id, kind, actor, reason, evidence, subscription_id, renewal_id, payment_id, run_id, details,
    created_at)
SELECT a.id, a.kind, a.actor, a.reason, a.evidence, a.subscription_id, a.renewal_id, a.payment_id, a.run_id, a.details,
    a.created_at
FROM json_to_recordset($1::json) AS a (
    id uuid, kind text, actor text, reason text, evidence text, subscription_id text, renewal_id uuid, payment_id text,
    run_id uuid, details jsonb, created_at timestamptz)
