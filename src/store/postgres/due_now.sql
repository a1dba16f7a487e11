-- What could be claimed now, by currency. A sum that no number holds is the largest that one does.
-- $1 now or NULL, $2 only these subscriptions (JSON) or NULL
SELECT currency, count(*) AS renewals, count(*) FILTER (WHERE attempt_count = 0) AS first,
    least(sum(amount), 9007199254740991)::bigint AS minor
FROM renewals
WHERE state = 'due'
    AND next_attempt_at <= coalesce($1::timestamptz, clock_timestamp())
    AND currency IS NOT NULL
    AND ($2::text IS NULL OR subscription_id IN (SELECT json_array_elements_text($2::json)))
GROUP BY currency
ORDER BY currency COLLATE "C"
