-- New standings, each only while the subscription is as it was decided from: at that period, cancelled or not.
-- $1 rows, $2 now
UPDATE subscriptions
SET status = a.value ->> 'status', tier = coalesce(a.value ->> 'tier', subscriptions.tier), updated_at = $2
FROM json_each($1) AS a
WHERE subscriptions.id = a.value ->> 'subscription_id'
    AND subscriptions.current_period_end = a.value ->> 'current_period_end'
    AND subscriptions.cancel_at_period_end = a.value ->> 'cancel_at_period_end'
    AND subscriptions.status IN ('active', 'past_due') AND subscriptions.status <> a.value ->> 'status'
RETURNING id
