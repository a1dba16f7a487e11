-- How sending ended: only under the claim that it was sent under. What was not sent after all does not count as a try.
-- $1 rows, $2 now
WITH sent AS (
    SELECT * FROM json_to_recordset($1::json) AS s (
        sink text, event_id uuid, claim uuid, state text, next_try_at timestamptz, note text, is_unsent boolean)
),
recorded AS (
    UPDATE deliveries d
    SET state = s.state, next_try_at = s.next_try_at, claim = NULL, note = s.note,
        tries = d.tries - CASE WHEN s.is_unsent THEN 1 ELSE 0 END, updated_at = $2::timestamptz
    FROM sent s
    WHERE d.sink = s.sink AND d.event_id = s.event_id AND d.claim = s.claim
    RETURNING d.event_id
)
SELECT event_id::text AS id FROM recorded
