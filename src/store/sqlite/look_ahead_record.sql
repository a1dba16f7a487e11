-- What was found out and told early, of those that are still to be renewed: a cancellation comes before this, and then
-- nothing is told, or after it.
-- $1 rows
INSERT INTO look_aheads (subscription_id, period_start, looked_at, key_state, schedule_id,
    noticed_at, noticed_amount, noticed_currency)
SELECT a.value ->> 'subscription_id', a.value ->> 'period_start', a.value ->> 'looked_at', a.value ->> 'key_state',
    a.value ->> 'schedule_id', a.value ->> 'noticed_at', a.value ->> 'noticed_amount', a.value ->> 'noticed_currency'
FROM json_each($1) AS a
JOIN subscriptions s ON s.id = a.value ->> 'subscription_id' AND s.current_period_end = a.value ->> 'period_start'
WHERE s.status IN ('active', 'past_due') AND NOT s.cancel_at_period_end
ON CONFLICT (subscription_id, period_start) DO UPDATE
SET looked_at = coalesce(excluded.looked_at, look_aheads.looked_at),
    key_state = coalesce(excluded.key_state, look_aheads.key_state),
    -- A schedule that was revoked is none any more; one that was not asked for stays.
    schedule_id = CASE WHEN excluded.looked_at IS NULL THEN look_aheads.schedule_id ELSE excluded.schedule_id END,
    noticed_at = coalesce(excluded.noticed_at, look_aheads.noticed_at),
    noticed_amount = coalesce(excluded.noticed_amount, look_aheads.noticed_amount),
    noticed_currency = coalesce(excluded.noticed_currency, look_aheads.noticed_currency)
RETURNING subscription_id AS id
