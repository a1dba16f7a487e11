-- Hands events over to the sinks.
-- $1 ids of the events, $2 deliveries, $3 now
WITH handed AS (
    DELETE FROM outbox WHERE event_id IN (SELECT value::uuid FROM json_array_elements_text($1::json))
)
INSERT INTO deliveries (sink, event_id, subscription_id, state, next_try_at, note, created_at, updated_at)
SELECT d.sink, d.event_id, d.subscription_id, d.state, CASE WHEN d.state = 'pending' THEN $3::timestamptz END, d.note,
    $3::timestamptz, $3::timestamptz
FROM json_to_recordset($2::json) AS d (sink text, event_id uuid, subscription_id text, state text, note text)
ON CONFLICT (sink, event_id) DO NOTHING
