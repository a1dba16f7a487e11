-- Locks the renewals, attempts and subscriptions of a batch, and reads what its guards compare. All that is compared is
-- read from locked rows: beside them this statement still sees the time before it waited.
-- $1 rows: renewal_id, attempt_id; $2 now or NULL
WITH clock AS MATERIALIZED (
    SELECT coalesce($2::timestamptz, clock_timestamp()) AS now
),
wanted AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::json) AS w (renewal_id uuid, attempt_id uuid)
),
locked AS MATERIALIZED (
    SELECT r.id, r.state, r.lease_epoch, r.lease_until, s.current_period_end, s.cancel_at_period_end,
        a.state AS attempt_state, a.settled_epoch
    FROM wanted w
    JOIN renewals r ON r.id = w.renewal_id
    JOIN attempts a ON a.id = w.attempt_id
    JOIN subscriptions s ON s.id = r.subscription_id
    ORDER BY r.id
    FOR UPDATE OF r, a
    FOR NO KEY UPDATE OF s
)
SELECT (SELECT now FROM clock) AS now, l.id::text AS renewal_id, l.state, l.lease_epoch,
    coalesce(l.lease_until > (SELECT now FROM clock), false) AS lease_is_live, l.current_period_end,
    l.cancel_at_period_end, l.attempt_state, l.settled_epoch
FROM locked l
