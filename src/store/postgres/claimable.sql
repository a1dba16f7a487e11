-- What a run would take up beside what it plans, in order of id.
-- $1 now or NULL, $2 after: id, $3 at most
SELECT r.id::text, r.subscription_id, r.plan_id, r.amount, r.currency, s.cancel_at_period_end
FROM renewals r
JOIN subscriptions s ON s.id = r.subscription_id
WHERE r.state = 'due'
    AND r.next_attempt_at <= coalesce($1::timestamptz, clock_timestamp())
    AND r.id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY r.id
LIMIT $3::bigint
