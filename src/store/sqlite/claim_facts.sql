-- Reads what may be claimed now and what the decision needs. The transaction is the only writer: that is the lock.
-- $1 now, $2 after: next attempt or NULL, $3 after: id, $4 at most, $5 only these subscriptions (JSON) or NULL
SELECT $1 AS now, r.id AS renewal_id, r.subscription_id, r.customer_id, r.plan_id,
    r.payment_id, r.series, r.amount, r.currency, r.order_name, r.period_start, r.period_end, r.access_until,
    r.next_attempt_at, r.lease_epoch, r.unsettled_claims, s.cancel_at_period_end,
    (s.status IN ('active', 'past_due') OR coalesce(r.commanded_until > $1, 0))
        AND s.current_period_end = r.period_start AS period_is_next,
    coalesce(r.commanded_until > $1, 0) AS commanded,
    c.name AS payer_name, c.email AS payer_email, c.phone AS payer_phone,
    (SELECT json_group_array(json_object('id', k.id, 'billing_key', k.billing_key, 'channel_key', k.channel_key,
            'pg_provider', k.pg_provider, 'state', k.state))
        FROM (SELECT * FROM billing_keys WHERE customer_id = r.customer_id ORDER BY created_at DESC, id DESC) k) AS keys,
    (SELECT json_group_array(json_object('number', a.number, 'state', a.state, 'billing_key_id', a.billing_key_id,
            'transaction_id', a.transaction_id, 'class', a.decline_class, 'settled_at', a.settled_at))
        FROM (SELECT * FROM attempts WHERE renewal_id = r.id ORDER BY number) a) AS attempts
FROM renewals r INDEXED BY renewals_due
JOIN subscriptions s ON s.id = r.subscription_id
LEFT JOIN customers c ON c.id = r.customer_id
WHERE EXISTS (SELECT 1 FROM controls WHERE paused_at IS NULL)
    AND r.state = 'due'
    AND r.next_attempt_at IS NOT NULL
    AND r.next_attempt_at <= $1
    AND (r.next_attempt_at, r.id) > (coalesce($2, ''), coalesce($3, ''))
    AND ($5 IS NULL OR r.subscription_id IN (SELECT value FROM json_each($5)))
ORDER BY r.next_attempt_at, r.id
LIMIT $4
