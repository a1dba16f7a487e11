-- Refunds that are to be asked for now, the longest waiting first.
-- $1 now or NULL, $2 at most
SELECT f.payment_id, f.renewal_id::text, f.subscription_id, f.amount, f.currency, f.reason, f.idempotency_key,
    f.number, f.back_before, f.left_after, f.told, f.ends_renewal, f.tries::bigint, f.wanted_at, r.state AS renewal_state
FROM refunds f
JOIN renewals r ON r.id = f.renewal_id
WHERE f.next_try_at <= coalesce($1::timestamptz, clock_timestamp())
ORDER BY f.next_try_at, f.payment_id
LIMIT $2::bigint
