-- Renewals that could be claimed now, in order of id.
-- $1 now   $2 after this id (or null)   $3 at most
SELECT r.id, r.subscription_id, r.plan_id, r.amount, r.currency, s.cancel_at_period_end
FROM renewals r
JOIN subscriptions s ON s.id = r.subscription_id
WHERE r.state = 'due' AND r.next_attempt_at <= $1 AND ($2 IS NULL OR r.id > $2)
ORDER BY r.id
LIMIT $3
