-- Changes that no attempt is part of, each only from the state that it was decided from. What is being given back is
-- never charged again.
-- $1 rows, $2 now
UPDATE renewals
SET state = c.value ->> 'state', next_attempt_at = c.value ->> 'next_attempt_at',
    next_look_up_at = c.value ->> 'next_look_up_at', waits_for_key = c.value ->> 'waits_for_key',
    access_until = max(renewals.access_until, coalesce(c.value ->> 'access_until', '')),
    review_reason = c.value ->> 'review_reason', unsettled_claims = 0,
    lease_until = NULL, ended_at = CASE WHEN c.value ->> 'is_open' THEN NULL ELSE coalesce(renewals.ended_at, $2) END,
    updated_at = $2
FROM json_each($1) AS c
WHERE renewals.id = c.value ->> 'renewal_id' AND renewals.state = c.value ->> 'from_state'
    AND renewals.waits_for_key = c.value ->> 'waited_for_key'
    AND (c.value ->> 'state' <> 'due' OR NOT EXISTS (SELECT 1 FROM refunds f WHERE f.renewal_id = renewals.id))
RETURNING id
