-- Changes that no attempt is part of, each only from the state that it was decided from. What is being given back is
-- never charged again.
-- $1 rows, $2 now
UPDATE renewals r
SET state = c.state, next_attempt_at = c.next_attempt_at, next_look_up_at = c.next_look_up_at,
    waits_for_key = c.waits_for_key, access_until = greatest(r.access_until, c.access_until), review_reason = c.review_reason, unsettled_claims = 0,
    lease_until = NULL, ended_at = CASE WHEN c.is_open THEN NULL ELSE coalesce(r.ended_at, t.now) END,
    updated_at = t.now
FROM json_to_recordset($1::json) AS c (
    renewal_id uuid, from_state text, state text, next_attempt_at timestamptz, next_look_up_at timestamptz,
    waits_for_key boolean, waited_for_key boolean, access_until timestamptz, review_reason text, is_open boolean)
CROSS JOIN (SELECT coalesce($2::timestamptz, clock_timestamp()) AS now) t
WHERE r.id = c.renewal_id AND r.state = c.from_state AND r.waits_for_key = c.waited_for_key
    AND (c.state <> 'due' OR NOT EXISTS (SELECT FROM refunds f WHERE f.renewal_id = r.id))
RETURNING r.id::text
