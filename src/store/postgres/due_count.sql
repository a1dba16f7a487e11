-- How many subscriptions are due, at most $2; whether they are planned already nobody asks.
-- $1 ends before, $2 at most, $3 only these ids (JSON) or NULL
SELECT count(*) AS due
FROM (
    SELECT FROM subscriptions s
    WHERE s.status IN ('active', 'past_due')
        AND s.current_period_end < $1::timestamptz
        AND ($3::text IS NULL OR s.id IN (SELECT json_array_elements_text($3::json)))
    LIMIT $2::bigint
) d
