-- Renewals that wait, where something around them is no longer as it was when they began to.
-- $1 now, $2 after: id, $3 at most, $4 periods that began before this are long over
SELECT r.id AS renewal_id, r.subscription_id, r.state, r.waits_for_key, r.next_attempt_at, r.access_until,
    s.cancel_at_period_end,
    EXISTS (SELECT 1 FROM billing_keys b WHERE b.customer_id = s.customer_id AND b.state = 'usable') AS has_usable_key,
    r.decline_count > 0
        AND EXISTS (SELECT 1 FROM billing_keys b WHERE b.customer_id = s.customer_id AND b.state = 'usable')
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.billing_key_id = (
            SELECT b.id FROM billing_keys b WHERE b.customer_id = s.customer_id AND b.state = 'usable'
            ORDER BY b.created_at DESC, b.id DESC LIMIT 1)) AS has_new_key,
    s.status IN ('active', 'past_due') AND s.current_period_end = r.period_start AS period_is_next,
    r.attempt_count = 0 AND r.decline_count = 0 AS never_tried, r.decline_count > 0 AS was_declined,
    r.amount IS NOT NULL AND r.currency IS NOT NULL AND r.period_end IS NOT NULL AS is_complete, r.period_start,
    coalesce(r.commanded_until > $1, 0) AS commanded
FROM renewals r INDEXED BY renewals_waiting
JOIN subscriptions s ON s.id = r.subscription_id
WHERE r.state IN ('due', 'canceled')
    AND r.id > coalesce($2, '')
    AND (
        (r.state = 'due' AND (
            s.cancel_at_period_end
            OR r.access_until <= $1
            OR (r.attempt_count = 0 AND r.period_start < $4)
            OR (r.waits_for_key AND EXISTS (
                SELECT 1 FROM billing_keys b WHERE b.customer_id = s.customer_id AND b.state = 'usable'))
            OR (r.decline_count > 0
                AND EXISTS (SELECT 1 FROM billing_keys b WHERE b.customer_id = s.customer_id AND b.state = 'usable')
                AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.billing_key_id = (
                    SELECT b.id FROM billing_keys b WHERE b.customer_id = s.customer_id AND b.state = 'usable'
                    ORDER BY b.created_at DESC, b.id DESC LIMIT 1)))))
        OR (r.state = 'canceled' AND NOT s.cancel_at_period_end
            AND s.status <> 'downgraded' AND s.current_period_end = r.period_start
            AND r.access_until > $1))
ORDER BY r.id
LIMIT $3
