-- $1 subscription
SELECT id::text, subscription_id, plan_id, business_date, period_start, period_end, amount, currency, state, payment_id,
    attempt_count, decline_count, next_attempt_at, next_look_up_at, waits_for_key, access_until, review_reason,
    canceled_during_charge, created_at, updated_at
FROM renewals
WHERE subscription_id = $1::text
ORDER BY period_start
