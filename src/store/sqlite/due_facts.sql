-- One keyset page of subscriptions that are due and have no renewal for their next period, whatever they look like:
-- what becomes of each is not decided here.
-- $1 ends before, $2 after: period end or NULL, $3 after: id, $4 at most, $5 only these ids (JSON) or NULL,
-- $6 without those whose last period this run planned or charged, or NULL, $7 nor those that anybody charged since it started
SELECT s.id, s.customer_id, coalesce(s.next_plan_id, s.plan_id) AS plan_id, p.amount, p.currency, p.interval,
    p.order_name, s.current_period_start, s.current_period_end, s.anchor_day, s.cancel_at_period_end,
    EXISTS (SELECT 1 FROM billing_keys k WHERE k.customer_id = s.customer_id AND k.state = 'usable') AS has_usable_key,
    EXISTS (
        SELECT 1 FROM renewals o
        WHERE o.subscription_id = s.id AND o.period_start <> s.current_period_end
            AND o.period_end > s.current_period_end AND o.state IN ('charging', 'unknown', 'review', 'paid')
    ) AS overlaps_other,
    (SELECT l.schedule_id FROM look_aheads l
        WHERE l.subscription_id = s.id AND l.period_start = s.current_period_end) AS schedule_id
FROM subscriptions s INDEXED BY subscriptions_due
JOIN plans p ON p.id = coalesce(s.next_plan_id, s.plan_id)
WHERE s.status IN ('active', 'past_due')
    AND s.current_period_end < $1
    AND (s.current_period_end, s.id) > (coalesce($2, ''), coalesce($3, ''))
    AND NOT EXISTS (
        SELECT 1 FROM renewals r WHERE r.subscription_id = s.id AND r.period_start = s.current_period_end)
    AND ($5 IS NULL OR s.id IN (SELECT value FROM json_each($5)))
    AND NOT EXISTS (
        SELECT 1 FROM renewals m
        WHERE m.subscription_id = s.id AND m.period_end = s.current_period_end AND m.state = 'paid'
            AND (m.planned_by = $6 OR EXISTS (
                SELECT 1 FROM attempts a
                WHERE a.renewal_id = m.id AND (a.run_id = $6 OR a.started_at > $7))))
ORDER BY s.current_period_end, s.id
LIMIT $4
