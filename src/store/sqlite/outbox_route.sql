-- Hands events over to the sinks.
-- $1 ids of the events, $2 deliveries, $3 now
DELETE FROM outbox WHERE event_id IN (SELECT value FROM json_each($1));
INSERT INTO deliveries (sink, event_id, subscription_id, state, next_try_at, note, created_at, updated_at)
SELECT d.value ->> 'sink', d.value ->> 'event_id', d.value ->> 'subscription_id', d.value ->> 'state',
    CASE WHEN d.value ->> 'state' = 'pending' THEN $3 END, d.value ->> 'note', $3, $3
FROM json_each($2) AS d
WHERE true
ON CONFLICT (sink, event_id) DO NOTHING
