-- Leases and attempts, before any request is sent.
-- $1 rows
UPDATE renewals
SET state = 'charging', lease_epoch = c.value ->> 'lease_epoch', lease_until = c.value ->> 'lease_until',
    unsettled_claims = renewals.unsettled_claims + 1, attempt_count = renewals.attempt_count + 1,
    updated_at = c.value ->> 'started_at'
FROM json_each($1) AS c
WHERE renewals.id = c.value ->> 'renewal_id' AND renewals.state = 'due'
    AND renewals.lease_epoch < c.value ->> 'lease_epoch';
INSERT INTO attempts (id, renewal_id, run_id, number, payment_id, series, idempotency_key, billing_key_id, channel_key,
    pg_provider, request_body, request_hash, protocol_version, state, started_at)
SELECT c.value ->> 'attempt_id', r.id, c.value ->> 'run_id', c.value ->> 'number', c.value ->> 'payment_id',
    c.value ->> 'series', c.value ->> 'idempotency_key', c.value ->> 'billing_key_id', c.value ->> 'channel_key',
    c.value ->> 'pg_provider', c.value ->> 'request_body', c.value ->> 'request_hash', c.value ->> 'protocol_version',
    'open', c.value ->> 'started_at'
FROM json_each($1) AS c
JOIN renewals r ON r.id = c.value ->> 'renewal_id'
WHERE r.state = 'charging' AND r.lease_epoch = c.value ->> 'lease_epoch'
RETURNING renewal_id AS id
