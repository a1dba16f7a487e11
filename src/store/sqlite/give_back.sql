-- Claims that were never sent: the renewals are due as they were, and the claims do not count.
-- $1 rows, $2 now
UPDATE attempts
SET state = 'not_charged', settled_at = $2, settled_epoch = g.value ->> 'lease_epoch', note = g.value ->> 'note'
FROM json_each($1) AS g
JOIN renewals r ON r.id = g.value ->> 'renewal_id'
WHERE attempts.id = g.value ->> 'attempt_id' AND attempts.state = 'open'
    AND r.state = 'charging' AND r.lease_epoch = g.value ->> 'lease_epoch';
UPDATE renewals
SET state = 'due', lease_until = NULL, unsettled_claims = max(renewals.unsettled_claims - 1, 0),
    attempt_count = max(renewals.attempt_count - 1, 0), updated_at = $2
FROM json_each($1) AS g
WHERE renewals.id = g.value ->> 'renewal_id' AND renewals.state = 'charging'
    AND renewals.lease_epoch = g.value ->> 'lease_epoch'
