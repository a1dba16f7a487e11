-- How many events from this one on each of these sinks is told.
-- $1 sinks, $2 first event
SELECT sink, count(*) AS events
FROM deliveries
WHERE sink IN (SELECT json_array_elements_text($1::json)) AND event_id >= $2::uuid AND state <> 'dropped'
GROUP BY sink
