-- New leases for what was taken over. Rows are found by their keys: `state || ''` is in no index.
-- $1 rows, $2 now
UPDATE renewals r
SET state = 'charging', lease_epoch = t.lease_epoch, lease_until = t.lease_until,
    unsettled_claims = r.unsettled_claims + 1, next_look_up_at = NULL, updated_at = $2::timestamptz
FROM json_to_recordset($1::json) AS t (renewal_id uuid, lease_epoch bigint, lease_until timestamptz)
WHERE r.id = t.renewal_id AND r.state || '' IN ('charging', 'unknown') AND r.lease_epoch < t.lease_epoch
