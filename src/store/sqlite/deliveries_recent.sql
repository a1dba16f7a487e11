-- How many events from this one on each of these sinks is told.
-- $1 sinks, $2 first event
SELECT sink, count(*) AS events
FROM deliveries
WHERE sink IN (SELECT value FROM json_each($1)) AND event_id >= $2 AND state <> 'dropped'
GROUP BY sink
