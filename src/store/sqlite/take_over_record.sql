-- New leases for what was taken over.
-- $1 rows, $2 now
UPDATE renewals
SET state = 'charging', lease_epoch = t.value ->> 'lease_epoch', lease_until = t.value ->> 'lease_until',
    unsettled_claims = renewals.unsettled_claims + 1, next_look_up_at = NULL, updated_at = $2
FROM json_each($1) AS t
WHERE renewals.id = t.value ->> 'renewal_id' AND renewals.state IN ('charging', 'unknown')
    AND renewals.lease_epoch < t.value ->> 'lease_epoch'
