-- What was found out and told early, of those that are still to be renewed: a cancellation comes before this, and then
-- nothing is told, or after it.
-- $1 rows
WITH looked AS (
    SELECT * FROM json_to_recordset($1::json) AS a (
        subscription_id text, period_start timestamptz, looked_at timestamptz, key_state text, schedule_id text,
        noticed_at timestamptz, noticed_amount bigint, noticed_currency text)
),
wanted AS MATERIALIZED (
    SELECT a.* FROM subscriptions s
    JOIN looked a ON a.subscription_id = s.id AND a.period_start = s.current_period_end
    WHERE s.status IN ('active', 'past_due') AND NOT s.cancel_at_period_end
    ORDER BY s.id
    FOR SHARE OF s
)
INSERT INTO look_aheads (subscription_id, period_start, looked_at, key_state, schedule_id,
    noticed_at, noticed_amount, noticed_currency)
SELECT w.subscription_id, w.period_start, w.looked_at, w.key_state, w.schedule_id, w.noticed_at, w.noticed_amount,
    w.noticed_currency
FROM wanted w
ON CONFLICT (subscription_id, period_start) DO UPDATE
SET looked_at = coalesce(excluded.looked_at, look_aheads.looked_at),
    key_state = coalesce(excluded.key_state, look_aheads.key_state),
    -- A schedule that was revoked is none any more; one that was not asked for stays.
    schedule_id = CASE WHEN excluded.looked_at IS NULL THEN look_aheads.schedule_id ELSE excluded.schedule_id END,
    noticed_at = coalesce(excluded.noticed_at, look_aheads.noticed_at),
    noticed_amount = coalesce(excluded.noticed_amount, look_aheads.noticed_amount),
    noticed_currency = coalesce(excluded.noticed_currency, look_aheads.noticed_currency)
RETURNING subscription_id AS id
