-- A refund that a person asked for: one of a payment at a time, and each reference once.
-- $1 rows, $2 now
INSERT INTO refunds (payment_id, renewal_id, subscription_id, amount, currency, reason, idempotency_key, state,
    next_try_at, wanted_at, updated_at, number, reference, back_before, left_after, told, ends_renewal)
SELECT f.payment_id, f.renewal_id, f.subscription_id, f.amount, f.currency, f.reason, f.idempotency_key, 'wanted',
    $2::timestamptz, $2::timestamptz, $2::timestamptz, f.number, f.reference, f.back_before, f.left_after, f.told,
    f.ends_renewal
FROM json_to_recordset($1::json) AS f (
    payment_id text, renewal_id uuid, subscription_id text, amount bigint, currency text, reason text,
    idempotency_key text, number bigint, reference text, back_before bigint, left_after bigint, told text,
    ends_renewal boolean)
ON CONFLICT DO NOTHING
RETURNING payment_id AS id
