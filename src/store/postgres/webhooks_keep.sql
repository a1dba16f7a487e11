-- Messages of the gateway, each once; those about a billing key only where the key is stored here. Answers the new ones.
-- $1 rows, $2 now
INSERT INTO webhooks (id, kind, payment_id, billing_key_id, happened_at, received_at, next_try_at)
SELECT w.id, w.kind, w.payment_id, k.id, w.happened_at, $2::timestamptz, $2::timestamptz
FROM json_to_recordset($1::json) AS w (
    id text, kind text, payment_id text, billing_key text, happened_at timestamptz)
LEFT JOIN billing_keys k ON k.billing_key = w.billing_key
WHERE w.payment_id IS NOT NULL OR k.id IS NOT NULL
-- In one order, so that two writers of the same messages do not wait for each other.
ORDER BY w.id
ON CONFLICT (id) DO NOTHING
RETURNING id
