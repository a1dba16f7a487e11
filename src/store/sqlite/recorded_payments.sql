-- Payments that are recorded as in order, by the first attempt under their payment id: the gateway made them then.
-- What is to be given back from here counts as given back.
-- $1 after, $2 before (attempt ids; they start with their time), $3 at most
SELECT a.id AS attempt_id, a.payment_id, r.id AS renewal_id, r.subscription_id AS renewal_subscription_id,
    r.state, r.payment_id AS renewal_payment_id, r.series, s.id AS subscription_id, s.current_period_end,
    s.status IN ('active', 'past_due') AS renews, p.amount, p.currency, p.verified,
    max(p.cancelled_amount, coalesce(
        (SELECT max(f.back_before + f.amount) FROM refunds f WHERE f.payment_id = p.payment_id), 0)) AS cancelled_amount,
    true AS attempted, '[]' AS keys
FROM attempts a
JOIN payments p ON p.payment_id = a.payment_id
JOIN renewals r ON r.id = a.renewal_id
JOIN subscriptions s ON s.id = r.subscription_id
WHERE a.id > $1 AND a.id < $2 AND p.verified
    AND NOT EXISTS (
        SELECT 1 FROM attempts e
        WHERE e.renewal_id = a.renewal_id AND e.payment_id = a.payment_id AND e.number < a.number)
ORDER BY a.id
LIMIT $3
