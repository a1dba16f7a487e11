-- A person sends events again, or says that nobody is to be told.
-- $1 event or NULL, $2 sink or NULL, $3 first event or NULL, $4 from these states, $5 to this state, $6 note, $7 now
UPDATE deliveries
SET state = $5, next_try_at = CASE WHEN $5 = 'pending' THEN $7 END, tries = 0, claim = NULL, note = $6, updated_at = $7
WHERE ($1 IS NULL OR event_id = $1)
    AND ($2 IS NULL OR sink = $2)
    AND ($3 IS NULL OR event_id >= $3)
    AND state IN (SELECT value FROM json_each($4));
SELECT changes() AS changed
