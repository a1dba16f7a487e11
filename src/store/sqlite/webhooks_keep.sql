-- Messages of the gateway, each once; those about a billing key only where the key is stored here. Answers the new ones.
-- $1 rows, $2 now
INSERT INTO webhooks (id, kind, payment_id, billing_key_id, happened_at, received_at, next_try_at)
SELECT w.value ->> 'id', w.value ->> 'kind', w.value ->> 'payment_id', k.id, w.value ->> 'happened_at', $2, $2
FROM json_each($1) AS w
LEFT JOIN billing_keys k ON k.billing_key = w.value ->> 'billing_key'
WHERE w.value ->> 'payment_id' IS NOT NULL OR k.id IS NOT NULL
ON CONFLICT (id) DO NOTHING
RETURNING id
