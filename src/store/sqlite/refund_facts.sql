-- Refunds that are to be asked for now, the longest waiting first.
-- $1 now, $2 at most
SELECT f.payment_id, f.renewal_id, f.subscription_id, f.amount, f.currency, f.reason, f.idempotency_key,
    f.number, f.back_before, f.left_after, f.told, f.ends_renewal, f.tries, f.wanted_at, r.state AS renewal_state
FROM refunds f
JOIN renewals r ON r.id = f.renewal_id
WHERE f.next_try_at <= $1
ORDER BY f.next_try_at, f.payment_id
LIMIT $2
