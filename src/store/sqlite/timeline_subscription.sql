-- $1 subscription
SELECT subscription_id, customer_id, plan_id, tier, status, current_period_end, access_until, cancel_at_period_end,
    billing_key_state
FROM subscription_access
WHERE subscription_id = $1
