-- One page of renewals, whatever their disposition; those that are there already stay as they are.
-- $1 rows, $2 run, $3 now
INSERT INTO renewals (id, subscription_id, customer_id, plan_id, business_date, period_start, period_end, amount,
    currency, order_name, payment_id, state, next_attempt_at, waits_for_key, access_until, review_reason, ended_at,
    planned_by, created_at, updated_at)
SELECT p.id, p.subscription_id, p.customer_id, p.plan_id, p.business_date, p.period_start, p.period_end, p.amount,
    p.currency, p.order_name, p.payment_id, p.state, p.next_attempt_at, p.waits_for_key, p.access_until,
    p.review_reason, CASE WHEN p.is_open THEN NULL ELSE c.now END, $2::uuid, c.now, c.now
FROM json_to_recordset($1::json) AS p (
    id uuid, subscription_id text, customer_id text, plan_id text, business_date date, period_start timestamptz,
    period_end timestamptz, amount bigint, currency text, order_name text, payment_id text, state text,
    next_attempt_at timestamptz, waits_for_key boolean, access_until timestamptz, review_reason text, is_open boolean)
CROSS JOIN (SELECT coalesce($3::timestamptz, clock_timestamp()) AS now) c
ON CONFLICT DO NOTHING
RETURNING id::text
