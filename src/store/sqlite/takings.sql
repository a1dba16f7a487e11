-- What was taken and what was refused, by the business dates of the runs that tried it. A sum that no number holds is
-- the largest that one does.
-- $1 from this business date on, $2 attempts from this id on: an id starts with its time
SELECT u.business_date, n.currency, a.state, a.decline_reason, a.pg_provider, count(*) AS attempts,
    CAST(min(total(n.amount), 9007199254740991.0) AS INTEGER) AS minor
FROM attempts a
JOIN runs u ON u.id = a.run_id
JOIN renewals n ON n.id = a.renewal_id
WHERE a.id >= $2
    AND a.state IN ('paid', 'declined', 'refused')
    AND u.business_date >= $1
    AND n.currency IS NOT NULL
GROUP BY u.business_date, n.currency, a.state, a.decline_reason, a.pg_provider
ORDER BY u.business_date, n.currency, a.state, coalesce(a.decline_reason, ''), coalesce(a.pg_provider, '')
