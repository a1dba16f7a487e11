-- A period that was paid for is not taken back: an imported period counts only where it ends later.
-- $1 rows, $2 now or NULL
INSERT INTO subscriptions AS s (id, customer_id, plan_id, next_plan_id, tier, current_period_start, current_period_end,
    anchor_day, cancel_at_period_end, created_at, updated_at)
SELECT i.id, i.customer_id, i.plan_id, i.next_plan_id, p.tier, i.current_period_start, i.current_period_end,
    i.anchor_day, i.cancel_at_period_end, t.now, t.now
FROM json_to_recordset($1::json) AS i (
    id text, customer_id text, plan_id text, next_plan_id text, current_period_start timestamptz,
    current_period_end timestamptz, anchor_day bigint, cancel_at_period_end boolean)
JOIN plans p ON p.id = i.plan_id
CROSS JOIN (SELECT coalesce($2::timestamptz, clock_timestamp()) AS now) t
ON CONFLICT (id) DO UPDATE
SET customer_id = excluded.customer_id, plan_id = excluded.plan_id, next_plan_id = excluded.next_plan_id,
    tier = CASE WHEN s.status = 'downgraded' AND excluded.current_period_end <= s.current_period_end
        THEN s.tier ELSE excluded.tier END,
    status = CASE WHEN excluded.current_period_end > s.current_period_end THEN 'active' ELSE s.status END,
    current_period_start = CASE WHEN excluded.current_period_end > s.current_period_end
        THEN excluded.current_period_start ELSE s.current_period_start END,
    current_period_end = CASE WHEN excluded.current_period_end > s.current_period_end
        THEN excluded.current_period_end ELSE s.current_period_end END,
    anchor_day = excluded.anchor_day, cancel_at_period_end = excluded.cancel_at_period_end,
    updated_at = excluded.updated_at
