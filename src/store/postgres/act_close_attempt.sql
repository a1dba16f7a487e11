-- A review left this attempt open, and a person has said that nothing was charged.
-- $1 renewal, $2 note, $3 now
UPDATE attempts a
SET state = 'not_charged', settled_at = $3::timestamptz, settled_epoch = r.lease_epoch, note = $2::text
FROM renewals r
WHERE r.id = $1::uuid AND a.renewal_id = r.id AND a.state = 'open'
