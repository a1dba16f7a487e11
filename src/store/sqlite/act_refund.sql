-- A refund that a person asked for: one of a payment at a time, and each reference once.
-- $1 rows, $2 now
INSERT INTO refunds (payment_id, renewal_id, subscription_id, amount, currency, reason, idempotency_key, state,
    next_try_at, wanted_at, updated_at, number, reference, back_before, left_after, told, ends_renewal)
SELECT f.value ->> 'payment_id', f.value ->> 'renewal_id', f.value ->> 'subscription_id', f.value ->> 'amount',
    f.value ->> 'currency', f.value ->> 'reason', f.value ->> 'idempotency_key', 'wanted', $2, $2, $2,
    f.value ->> 'number', f.value ->> 'reference', f.value ->> 'back_before', f.value ->> 'left_after',
    f.value ->> 'told', f.value ->> 'ends_renewal'
FROM json_each($1) AS f
WHERE true
ON CONFLICT DO NOTHING
RETURNING payment_id AS id
