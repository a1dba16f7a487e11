-- How many subscriptions are due, at most $2; whether they are planned already nobody asks.
-- $1 ends before, $2 at most, $3 only these ids (JSON) or NULL
SELECT count(*) AS due
FROM (
    SELECT 1 FROM subscriptions s INDEXED BY subscriptions_due
    WHERE s.status IN ('active', 'past_due')
        AND s.current_period_end < $1
        AND ($3 IS NULL OR s.id IN (SELECT value FROM json_each($3)))
    LIMIT $2
)
