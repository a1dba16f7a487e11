-- What could be claimed now, by currency. A sum that no number holds is the largest that one does.
-- $1 now, $2 only these subscriptions (JSON) or NULL
SELECT currency, count(*) AS renewals, count(*) FILTER (WHERE attempt_count = 0) AS first,
    CAST(min(total(amount), 9007199254740991.0) AS INTEGER) AS minor
FROM renewals
WHERE state = 'due'
    AND next_attempt_at <= $1
    AND currency IS NOT NULL
    AND ($2 IS NULL OR subscription_id IN (SELECT value FROM json_each($2)))
GROUP BY currency
ORDER BY currency
