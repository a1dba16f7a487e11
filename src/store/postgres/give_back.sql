-- Claims that were never sent: the renewals are due as they were, and the claims do not count. Rows are found by their keys:
-- `state || ''` is in no index.
-- $1 rows, $2 now or NULL
WITH given AS (
    SELECT * FROM json_to_recordset($1::json) AS g (renewal_id uuid, attempt_id uuid, lease_epoch bigint, note text)
),
released AS (
    UPDATE renewals r
    SET state = 'due', lease_until = NULL, unsettled_claims = greatest(r.unsettled_claims - 1, 0),
        attempt_count = greatest(r.attempt_count - 1, 0), updated_at = coalesce($2::timestamptz, clock_timestamp())
    FROM given g
    WHERE r.id = g.renewal_id AND r.state || '' = 'charging' AND r.lease_epoch = g.lease_epoch
    RETURNING g.*
)
UPDATE attempts a
SET state = 'not_charged', settled_at = coalesce($2::timestamptz, clock_timestamp()), settled_epoch = r.lease_epoch,
    note = r.note
FROM released r
WHERE a.id = r.attempt_id AND a.state || '' = 'open'
