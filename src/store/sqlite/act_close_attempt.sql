-- A review left this attempt open, and a person has said that nothing was charged.
-- $1 renewal, $2 note, $3 now
UPDATE attempts
SET state = 'not_charged', settled_at = $3, note = $2,
    settled_epoch = (SELECT r.lease_epoch FROM renewals r WHERE r.id = attempts.renewal_id)
WHERE renewal_id = $1 AND state = 'open'
