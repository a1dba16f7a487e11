-- One keyset page of subscriptions that are going to be renewed, with what was found out about that before.
-- $1 ends after, $2 ends before, $3 after: period end or NULL, $4 after: id, $5 at most
SELECT s.id AS subscription_id, coalesce(s.next_plan_id, s.plan_id) AS plan_id, p.amount, p.currency, p.interval,
    p.order_name, s.current_period_end, s.anchor_day, r.id::text AS renewal_id, r.state AS renewal_state,
    coalesce((
        SELECT json_agg(json_build_object('id', k.id, 'billing_key', k.billing_key, 'channel_key', k.channel_key)
            ORDER BY k.created_at DESC, k.id DESC)
        FROM billing_keys k WHERE k.customer_id = s.customer_id AND k.state = 'usable'), '[]') AS keys,
    l.looked_at, l.key_state, l.noticed_amount, l.noticed_currency
FROM subscriptions s
JOIN plans p ON p.id = coalesce(s.next_plan_id, s.plan_id)
LEFT JOIN renewals r ON r.subscription_id = s.id AND r.period_start = s.current_period_end
LEFT JOIN look_aheads l ON l.subscription_id = s.id AND l.period_start = s.current_period_end
WHERE s.status IN ('active', 'past_due') AND NOT s.cancel_at_period_end
    AND s.current_period_end > $1::timestamptz AND s.current_period_end < $2::timestamptz
    AND (s.current_period_end, s.id) > (coalesce($3::timestamptz, '-infinity'), coalesce($4::text, ''))
ORDER BY s.current_period_end, s.id
LIMIT $5::bigint
