-- Subscriptions that renew, whose customer has one of these keys and none that can be charged.
-- $1 ids
SELECT DISTINCT s.id AS subscription_id, s.current_period_end AS period_start, r.id AS renewal_id
FROM json_each($1) AS i
JOIN billing_keys k ON k.id = i.value
JOIN subscriptions s ON s.customer_id = k.customer_id
LEFT JOIN renewals r ON r.subscription_id = s.id AND r.period_start = s.current_period_end
WHERE s.status IN ('active', 'past_due') AND NOT s.cancel_at_period_end
    AND NOT EXISTS (
        SELECT 1 FROM billing_keys b WHERE b.customer_id = s.customer_id AND b.state = 'usable')
ORDER BY s.id
