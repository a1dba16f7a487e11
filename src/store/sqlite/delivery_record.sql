-- How sending ended: only under the claim that it was sent under. What was not sent after all does not count as a try.
-- $1 rows, $2 now
UPDATE deliveries
SET state = s.value ->> 'state', next_try_at = s.value ->> 'next_try_at', claim = NULL, note = s.value ->> 'note',
    tries = deliveries.tries - (s.value ->> 'is_unsent'), updated_at = $2
FROM json_each($1) AS s
WHERE deliveries.sink = s.value ->> 'sink' AND deliveries.event_id = s.value ->> 'event_id'
    AND deliveries.claim = s.value ->> 'claim'
RETURNING event_id AS id
