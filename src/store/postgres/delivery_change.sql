-- A person sends events again, or says that nobody is to be told.
-- $1 event or NULL, $2 sink or NULL, $3 first event or NULL, $4 from these states, $5 to this state, $6 note, $7 now
WITH changed AS (
    UPDATE deliveries
    SET state = $5::text, next_try_at = CASE WHEN $5::text = 'pending' THEN $7::timestamptz END, tries = 0, claim = NULL,
        note = $6::text, updated_at = $7::timestamptz
    WHERE ($1::uuid IS NULL OR event_id = $1::uuid)
        AND ($2::text IS NULL OR sink = $2::text)
        AND ($3::uuid IS NULL OR event_id >= $3::uuid)
        AND state IN (SELECT json_array_elements_text($4::json))
    RETURNING 1
)
SELECT count(*) AS changed FROM changed
