-- Ended renewals and given-up payment ids that are due for a late look-up, with the last attempt that was made under
-- that payment id; under an id without any there is nothing to look up. What is being given back is looked up by its refund.
-- Rows are found by the time of their look-up: `state || ''` is in no index, and all that is due is not read for it.
-- $1 now or NULL, $2 at most
WITH clock AS MATERIALIZED (
    SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
),
wanted AS (
    (SELECT r.id, r.payment_id, false AS retired, r.look_ups, coalesce(r.ended_at, r.updated_at) AS since,
        r.next_look_up_at
    FROM renewals r
    WHERE r.next_look_up_at <= (SELECT now FROM clock)
        AND r.state || '' IN ('due', 'failed', 'canceled', 'lapsed', 'review') AND r.attempt_count > 0
        AND EXISTS (SELECT FROM attempts t WHERE t.renewal_id = r.id AND t.payment_id = r.payment_id)
        AND NOT EXISTS (SELECT FROM refunds f WHERE f.payment_id = r.payment_id)
    ORDER BY r.next_look_up_at, r.id
    LIMIT $2::bigint)
    UNION ALL
    (SELECT p.renewal_id, p.payment_id, true, p.look_ups, p.retired_at, p.next_look_up_at
    FROM retired_payments p
    WHERE p.next_look_up_at <= (SELECT now FROM clock)
        AND EXISTS (SELECT FROM attempts t WHERE t.renewal_id = p.renewal_id AND t.payment_id = p.payment_id)
        AND NOT EXISTS (SELECT FROM refunds f WHERE f.payment_id = p.payment_id)
    ORDER BY p.next_look_up_at
    LIMIT $2::bigint)
)
SELECT (SELECT now FROM clock) AS now, r.id::text AS renewal_id, r.subscription_id, r.customer_id, r.plan_id, r.state,
    r.amount, r.currency, r.period_start, r.period_end, r.access_until, r.first_declined_at, r.look_ups,
    r.unknown_since, r.lease_epoch, r.unsettled_claims, a.id::text AS attempt_id, a.run_id::text, a.number, a.payment_id,
    a.series, r.order_name, a.idempotency_key, a.billing_key_id, a.channel_key, a.pg_provider,
    a.request_body, a.request_hash, a.started_at, k.billing_key, s.cancel_at_period_end,
    s.status IN ('active', 'past_due') AND s.current_period_end = r.period_start AS period_is_next,
    (SELECT paused_at IS NOT NULL FROM controls) AS paused,
    coalesce((
        SELECT json_agg(json_build_object('number', p.number, 'state', p.state, 'billing_key_id', p.billing_key_id,
            'transaction_id', p.transaction_id, 'class', p.decline_class, 'settled_at', p.settled_at)
            ORDER BY p.number)
        FROM attempts p WHERE p.renewal_id = r.id), '[]') AS attempts,
    coalesce((
        SELECT json_agg(b.billing_key ORDER BY b.created_at DESC, b.id DESC)
        FROM billing_keys b WHERE b.customer_id = r.customer_id), '[]') AS keys,
    w.retired, w.look_ups AS late_look_ups, w.since, w.next_look_up_at AS due_at
FROM wanted w
JOIN renewals r ON r.id = w.id
JOIN subscriptions s ON s.id = r.subscription_id
JOIN LATERAL (
    SELECT * FROM attempts t
    WHERE t.renewal_id = r.id AND t.payment_id = w.payment_id
    ORDER BY t.number DESC
    LIMIT 1) a ON true
LEFT JOIN billing_keys k ON k.id = a.billing_key_id
ORDER BY w.next_look_up_at, r.id
LIMIT $2::bigint
