-- Renewals that wait, where something around them is no longer as it was when they began to.
-- $1 now or NULL, $2 after: id, $3 at most, $4 periods that began before this are long over
SELECT r.id::text AS renewal_id, r.subscription_id, r.state, r.waits_for_key, r.next_attempt_at, r.access_until,
    s.cancel_at_period_end, k.usable AS has_usable_key, k.is_new AS has_new_key,
    s.status IN ('active', 'past_due') AND s.current_period_end = r.period_start AS period_is_next,
    r.attempt_count = 0 AND r.decline_count = 0 AS never_tried, r.decline_count > 0 AS was_declined,
    r.amount IS NOT NULL AND r.currency IS NOT NULL AND r.period_end IS NOT NULL AS is_complete, r.period_start,
    coalesce(r.commanded_until > coalesce($1::timestamptz, clock_timestamp()), false) AS commanded
FROM renewals r
JOIN subscriptions s ON s.id = r.subscription_id
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS usable, r.decline_count > 0 AND coalesce(bool_and(NOT EXISTS (
        SELECT FROM attempts a WHERE a.billing_key_id = newest.id)), false) AS is_new
    FROM (
        SELECT b.id FROM billing_keys b
        WHERE b.customer_id = s.customer_id AND b.state = 'usable'
        ORDER BY b.created_at DESC, b.id DESC LIMIT 1) newest) k
WHERE r.state IN ('due', 'canceled')
    AND r.id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
    AND (
        (r.state = 'due' AND (
            s.cancel_at_period_end
            OR r.access_until <= coalesce($1::timestamptz, clock_timestamp())
            OR (r.attempt_count = 0 AND r.period_start < $4::timestamptz)
            OR (r.waits_for_key AND k.usable)
            OR k.is_new))
        OR (r.state = 'canceled' AND NOT s.cancel_at_period_end
            AND s.status <> 'downgraded' AND s.current_period_end = r.period_start
            AND r.access_until > coalesce($1::timestamptz, clock_timestamp())))
ORDER BY r.id
LIMIT $3::bigint
