-- One page of renewals, whatever their disposition; those that are there already stay as they are.
-- $1 rows, $2 run, $3 now
INSERT INTO renewals (id, subscription_id, customer_id, plan_id, business_date, period_start, period_end, amount,
    currency, order_name, payment_id, state, next_attempt_at, waits_for_key, access_until, review_reason, ended_at,
    planned_by, created_at, updated_at)
SELECT p.value ->> 'id', p.value ->> 'subscription_id', p.value ->> 'customer_id', p.value ->> 'plan_id',
    p.value ->> 'business_date', p.value ->> 'period_start', p.value ->> 'period_end', p.value ->> 'amount',
    p.value ->> 'currency', p.value ->> 'order_name', p.value ->> 'payment_id', p.value ->> 'state',
    p.value ->> 'next_attempt_at', p.value ->> 'waits_for_key', p.value ->> 'access_until',
    p.value ->> 'review_reason', CASE WHEN p.value ->> 'is_open' THEN NULL ELSE $3 END, $2, $3, $3
FROM json_each($1) AS p
WHERE true
ON CONFLICT DO NOTHING
RETURNING id
