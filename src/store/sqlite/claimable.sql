-- What a run would take up beside what it plans, in order of id.
-- $1 now, $2 after: id, $3 at most
SELECT r.id, r.subscription_id, r.plan_id, r.amount, r.currency, s.cancel_at_period_end
FROM renewals r
JOIN subscriptions s ON s.id = r.subscription_id
WHERE r.state = 'due' AND r.next_attempt_at <= $1 AND r.id > coalesce($2, '')
ORDER BY r.id
LIMIT $3
