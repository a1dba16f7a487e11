-- Subscriptions whose period ended before the given instant, with the renewal that was to follow.
-- $1 ended before, $2 after: id, $3 at most
SELECT s.id AS subscription_id, s.status = 'past_due' AS past_due, s.current_period_end, s.cancel_at_period_end,
    p.fallback_tier, r.id AS renewal_id, r.state AS renewal_state, coalesce(r.decline_count, 0) AS decline_count,
    coalesce(r.waits_for_key, 0) AS waits_for_key
FROM subscriptions s
JOIN plans p ON p.id = s.plan_id
LEFT JOIN renewals r ON r.subscription_id = s.id AND r.period_start = s.current_period_end
WHERE s.status IN ('active', 'past_due') AND s.current_period_end < $1
    AND s.id > coalesce($2, '')
ORDER BY s.id
LIMIT $3
