-- Subscriptions whose period ended before the given instant, with the renewal that was to follow. In the order of their
-- ends: few of all subscriptions have ended, and by their ids all of them would be read to find those.
-- $1 ended before, $2 after: period end or NULL, $3 after: id, $4 at most
SELECT s.id AS subscription_id, s.status = 'past_due' AS past_due, s.current_period_end, s.cancel_at_period_end,
    p.fallback_tier, r.id::text AS renewal_id, r.state AS renewal_state, coalesce(r.decline_count, 0) AS decline_count,
    coalesce(r.waits_for_key, false) AS waits_for_key
FROM subscriptions s
JOIN plans p ON p.id = s.plan_id
LEFT JOIN renewals r ON r.subscription_id = s.id AND r.period_start = s.current_period_end
WHERE s.status IN ('active', 'past_due') AND s.current_period_end < $1::timestamptz
    AND (s.current_period_end, s.id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::text, ''))
ORDER BY s.current_period_end, s.id
LIMIT $4::bigint
