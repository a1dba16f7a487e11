-- An attempt that cannot be resolved is for a person. It stays open: nothing else may charge its renewal.
-- $1 renewal, $2 reason, $3 now, $4 when it is looked up all the same, or NULL
UPDATE renewals
SET state = 'review', review_reason = $2::text, lease_until = NULL, next_look_up_at = $4::timestamptz,
    ended_at = coalesce(ended_at, $3::timestamptz), updated_at = $3::timestamptz
WHERE id = $1::uuid AND state IN ('charging', 'unknown')
