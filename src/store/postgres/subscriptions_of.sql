-- The customer's, those whose period ends last first.
-- $1 customer, $2 at most
SELECT subscription_id, customer_id, plan_id, tier, status, current_period_end, access_until, cancel_at_period_end,
    billing_key_state
FROM subscription_access
WHERE customer_id = $1
ORDER BY current_period_end DESC, subscription_id
LIMIT $2
