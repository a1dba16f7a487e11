-- What an earlier worker left open, the oldest first, and what is needed to go on with it.
-- The open attempts are few and have an index of their own, so leases need none.
-- $1 now, $2 at most
SELECT $1 AS now, r.id AS renewal_id, r.subscription_id, r.customer_id, r.plan_id, r.state,
    r.amount, r.currency, r.period_start, r.period_end, r.access_until, r.first_declined_at, r.look_ups,
    r.unknown_since, r.lease_epoch, r.unsettled_claims, a.id AS attempt_id, a.run_id, a.number, a.payment_id,
    a.series, r.order_name, a.idempotency_key, a.billing_key_id, a.channel_key, a.pg_provider,
    a.request_body, a.request_hash, a.started_at, k.billing_key, s.cancel_at_period_end,
    s.status IN ('active', 'past_due') AND s.current_period_end = r.period_start AS period_is_next,
    (SELECT paused_at IS NOT NULL FROM controls) AS paused,
    (SELECT json_group_array(json_object('number', p.number, 'state', p.state, 'billing_key_id', p.billing_key_id,
            'transaction_id', p.transaction_id, 'class', p.decline_class, 'settled_at', p.settled_at))
        FROM (SELECT * FROM attempts WHERE renewal_id = r.id ORDER BY number) p) AS attempts,
    (SELECT json_group_array(b.billing_key)
        FROM (SELECT * FROM billing_keys WHERE customer_id = r.customer_id ORDER BY created_at DESC, id DESC) b) AS keys
FROM attempts a INDEXED BY attempts_one_open
JOIN renewals r ON r.id = a.renewal_id
JOIN subscriptions s ON s.id = r.subscription_id
LEFT JOIN billing_keys k ON k.id = a.billing_key_id
WHERE a.state = 'open'
    AND ((r.state = 'charging' AND r.lease_until <= $1) OR (r.state = 'unknown' AND r.next_look_up_at <= $1))
ORDER BY a.started_at, a.id
LIMIT $2
