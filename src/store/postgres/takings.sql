-- What was taken and what was refused, by the business dates of the runs that tried it. A sum that no number holds is
-- the largest that one does.
-- $1 from this business date on, $2 attempts from this id on: an id starts with its time
SELECT u.business_date, n.currency, a.state, a.decline_reason, a.pg_provider, count(*) AS attempts,
    least(sum(n.amount), 9007199254740991)::bigint AS minor
FROM attempts a
JOIN runs u ON u.id = a.run_id
JOIN renewals n ON n.id = a.renewal_id
WHERE a.id >= $2::uuid
    AND a.state IN ('paid', 'declined', 'refused')
    AND u.business_date >= $1::date
    AND n.currency IS NOT NULL
GROUP BY u.business_date, n.currency, a.state, a.decline_reason, a.pg_provider
ORDER BY u.business_date, n.currency COLLATE "C", a.state COLLATE "C", coalesce(a.decline_reason, '') COLLATE "C",
    coalesce(a.pg_provider, '') COLLATE "C"
