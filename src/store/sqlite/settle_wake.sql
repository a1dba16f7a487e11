-- Payments that came too late for their lease: kept as observations, and their payment ids are looked up again, given up
-- or not.
-- $1 payments, $2 now
INSERT INTO observations (payment_id, renewal_id, status, amount, cancelled_amount, currency, transaction_id,
    pg_tx_id, pg_provider, channel_type, paid_at, verified, seen_by, observed_at)
SELECT p.value ->> 'payment_id', p.value ->> 'renewal_id', p.value ->> 'status', p.value ->> 'amount',
    p.value ->> 'cancelled_amount', p.value ->> 'currency', p.value ->> 'transaction_id', p.value ->> 'pg_tx_id',
    p.value ->> 'pg_provider', p.value ->> 'channel_type', p.value ->> 'paid_at', p.value ->> 'verified',
    p.value ->> 'seen_by', $2
FROM json_each($1) AS p
WHERE true
ON CONFLICT DO NOTHING;
UPDATE renewals
SET next_look_up_at = $2, updated_at = $2
FROM json_each($1) AS p
WHERE renewals.id = p.value ->> 'renewal_id' AND renewals.state IN ('due', 'unknown', 'failed', 'canceled', 'lapsed', 'review');
UPDATE retired_payments
SET next_look_up_at = $2
FROM json_each($1) AS p
WHERE retired_payments.payment_id = p.value ->> 'payment_id'
