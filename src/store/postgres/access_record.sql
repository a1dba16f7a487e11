-- New standings, each only while the subscription is as it was decided from: at that period, cancelled or not.
-- $1 rows, $2 now or NULL
UPDATE subscriptions s
SET status = a.status, tier = coalesce(a.tier, s.tier), updated_at = coalesce($2::timestamptz, clock_timestamp())
FROM json_to_recordset($1::json) AS a (
    subscription_id text, current_period_end timestamptz, cancel_at_period_end boolean, status text, tier text)
WHERE s.id = a.subscription_id AND s.current_period_end = a.current_period_end
    AND s.cancel_at_period_end = a.cancel_at_period_end
    AND s.status IN ('active', 'past_due') AND s.status <> a.status
RETURNING s.id
