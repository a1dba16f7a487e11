-- What a person must look at, the oldest first.
-- $1 at most
SELECT id, subscription_id, plan_id, business_date, period_start, period_end, amount, currency, state, payment_id,
    attempt_count, decline_count, next_attempt_at, next_look_up_at, waits_for_key, access_until, review_reason,
    canceled_during_charge, created_at, updated_at
FROM renewals
WHERE state IN ('review', 'unknown') OR period_not_moved
ORDER BY created_at, id
LIMIT $1
