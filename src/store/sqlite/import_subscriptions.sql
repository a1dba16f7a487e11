-- A period that was paid for is not taken back: an imported period counts only where it ends later.
-- $1 rows, $2 now
INSERT INTO subscriptions (id, customer_id, plan_id, next_plan_id, tier, current_period_start, current_period_end,
    anchor_day, cancel_at_period_end, created_at, updated_at)
SELECT i.value ->> 'id', i.value ->> 'customer_id', i.value ->> 'plan_id', i.value ->> 'next_plan_id', p.tier,
    i.value ->> 'current_period_start', i.value ->> 'current_period_end', i.value ->> 'anchor_day',
    i.value ->> 'cancel_at_period_end', $2, $2
FROM json_each($1) AS i
JOIN plans p ON p.id = i.value ->> 'plan_id'
WHERE true
ON CONFLICT (id) DO UPDATE
SET customer_id = excluded.customer_id, plan_id = excluded.plan_id, next_plan_id = excluded.next_plan_id,
    tier = CASE WHEN subscriptions.status = 'downgraded' AND excluded.current_period_end <= subscriptions.current_period_end
        THEN subscriptions.tier ELSE excluded.tier END,
    status = CASE WHEN excluded.current_period_end > subscriptions.current_period_end THEN 'active' ELSE subscriptions.status END,
    current_period_start = CASE WHEN excluded.current_period_end > subscriptions.current_period_end
        THEN excluded.current_period_start ELSE subscriptions.current_period_start END,
    current_period_end = CASE WHEN excluded.current_period_end > subscriptions.current_period_end
        THEN excluded.current_period_end ELSE subscriptions.current_period_end END,
    anchor_day = excluded.anchor_day, cancel_at_period_end = excluded.cancel_at_period_end,
    updated_at = excluded.updated_at
