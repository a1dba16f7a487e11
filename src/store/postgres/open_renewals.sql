-- What is open, and what a change of mind may open again, in order of id.
-- $1 after: id, $2 at most
SELECT r.id::text, r.subscription_id, r.customer_id, r.plan_id, r.period_start, r.period_end, r.amount, r.currency,
    r.state, r.next_attempt_at, r.waits_for_key, r.attempt_count, s.cancel_at_period_end,
    s.status IN ('active', 'past_due') AND s.current_period_end = r.period_start AS period_is_next
FROM renewals r
JOIN subscriptions s ON s.id = r.subscription_id
WHERE (r.state IN ('due', 'charging', 'unknown', 'review')
        OR (r.state = 'canceled' AND NOT s.cancel_at_period_end AND s.status IN ('active', 'past_due')
            AND s.current_period_end = r.period_start))
    AND r.id > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY r.id
LIMIT $2::bigint
