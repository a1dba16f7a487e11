-- Locks what may be claimed now and reads what the decision needs.
--
-- The switch is read under a lock, so that nothing is claimed once it is turned; the subscription too, so that a
-- cancellation comes before (and is seen) or after (and is too late). Renewals that others hold are passed over.
-- $1 now or NULL, $2 after: next attempt or NULL, $3 after: id, $4 at most, $5 only these subscriptions (JSON) or NULL
WITH clock AS MATERIALIZED (
    SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
),
running AS MATERIALIZED (
    SELECT only_row FROM controls WHERE paused_at IS NULL FOR SHARE
),
-- Alone, so that the index hands out the first rows in order, however many there are behind them.
picked AS MATERIALIZED (
    SELECT r.*
    FROM renewals r
    WHERE EXISTS (SELECT FROM running)
        AND r.state = 'due'
        AND r.next_attempt_at <= (SELECT now FROM clock)
        AND (r.next_attempt_at, r.id) > (
            coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
        AND ($5::text IS NULL OR r.subscription_id IN (SELECT json_array_elements_text($5::json)))
    ORDER BY r.next_attempt_at, r.id
    LIMIT $4::bigint
    FOR UPDATE SKIP LOCKED
),
locked AS MATERIALIZED (
    SELECT p.*, s.cancel_at_period_end,
        (s.status IN ('active', 'past_due') OR coalesce(p.commanded_until > (SELECT now FROM clock), false))
            AND s.current_period_end = p.period_start AS period_is_next,
        coalesce(p.commanded_until > (SELECT now FROM clock), false) AS commanded
    FROM picked p
    JOIN subscriptions s ON s.id = p.subscription_id
    FOR SHARE OF s
)
SELECT (SELECT now FROM clock) AS now, l.id::text AS renewal_id, l.subscription_id, l.customer_id, l.plan_id,
    l.payment_id, l.series, l.amount, l.currency, l.order_name, l.period_start, l.period_end, l.access_until,
    l.next_attempt_at, l.lease_epoch, l.unsettled_claims, l.cancel_at_period_end, l.period_is_next,
    l.commanded,
    c.name AS payer_name, c.email AS payer_email, c.phone AS payer_phone,
    coalesce((
        SELECT json_agg(json_build_object('id', k.id, 'billing_key', k.billing_key, 'channel_key', k.channel_key,
            'pg_provider', k.pg_provider, 'state', k.state) ORDER BY k.created_at DESC, k.id DESC)
        FROM billing_keys k WHERE k.customer_id = l.customer_id), '[]') AS keys,
    coalesce((
        SELECT json_agg(json_build_object('number', a.number, 'state', a.state, 'billing_key_id', a.billing_key_id,
            'transaction_id', a.transaction_id, 'class', a.decline_class, 'settled_at', a.settled_at)
            ORDER BY a.number)
        FROM attempts a WHERE a.renewal_id = l.id), '[]') AS attempts
FROM locked l
LEFT JOIN customers c ON c.id = l.customer_id
ORDER BY l.next_attempt_at, l.id
