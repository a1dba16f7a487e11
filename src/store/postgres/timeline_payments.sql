-- $1 subscription
SELECT p.payment_id, p.renewal_id::text, p.status, p.amount, p.currency, p.cancelled_amount, p.pg_provider, p.pg_tx_id,
    p.paid_at, p.verified, p.recorded_at
FROM payments p
JOIN renewals r ON r.id = p.renewal_id
WHERE r.subscription_id = $1::text
ORDER BY p.recorded_at, p.payment_id
