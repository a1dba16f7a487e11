-- Locks what an earlier worker left open, the oldest first, and reads what is needed to go on with it.
-- The open attempts are few and have an index of their own, so leases need none.
-- $1 now or NULL, $2 at most
WITH clock AS MATERIALIZED (
    SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
),
locked AS MATERIALIZED (
    SELECT r.*, a.id AS attempt_id, a.run_id, a.number, a.payment_id AS sent_payment_id, a.series AS sent_series,
        a.idempotency_key, a.billing_key_id, a.channel_key, a.pg_provider, a.request_body, a.request_hash, a.started_at
    FROM attempts a
    JOIN renewals r ON r.id = a.renewal_id
    WHERE a.state = 'open'
        AND ((r.state = 'charging' AND r.lease_until <= (SELECT now FROM clock))
            OR (r.state = 'unknown' AND r.next_look_up_at <= (SELECT now FROM clock)))
    ORDER BY a.started_at, a.id
    LIMIT $2::bigint
    FOR UPDATE OF r SKIP LOCKED
)
SELECT (SELECT now FROM clock) AS now, l.id::text AS renewal_id, l.subscription_id, l.customer_id, l.plan_id, l.state,
    l.amount, l.currency, l.period_start, l.period_end, l.access_until, l.first_declined_at, l.look_ups,
    l.unknown_since, l.lease_epoch, l.unsettled_claims, l.attempt_id::text, l.run_id::text, l.number, l.sent_payment_id AS payment_id,
    l.sent_series AS series, l.order_name, l.idempotency_key, l.billing_key_id, l.channel_key, l.pg_provider,
    l.request_body, l.request_hash, l.started_at, k.billing_key, s.cancel_at_period_end,
    s.status IN ('active', 'past_due') AND s.current_period_end = l.period_start AS period_is_next,
    (SELECT paused_at IS NOT NULL FROM controls) AS paused,
    coalesce((
        SELECT json_agg(json_build_object('number', a.number, 'state', a.state, 'billing_key_id', a.billing_key_id,
            'transaction_id', a.transaction_id, 'class', a.decline_class, 'settled_at', a.settled_at)
            ORDER BY a.number)
        FROM attempts a WHERE a.renewal_id = l.id), '[]') AS attempts,
    coalesce((
        SELECT json_agg(b.billing_key ORDER BY b.created_at DESC, b.id DESC)
        FROM billing_keys b WHERE b.customer_id = l.customer_id), '[]') AS keys
FROM locked l
JOIN subscriptions s ON s.id = l.subscription_id
LEFT JOIN billing_keys k ON k.id = l.billing_key_id
ORDER BY l.started_at, l.attempt_id
