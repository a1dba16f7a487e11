-- Leases and attempts, before any request is sent.
-- $1 rows
WITH claimed AS (
    SELECT * FROM json_to_recordset($1::json) AS c (
        attempt_id uuid, renewal_id uuid, run_id uuid, number bigint, payment_id text, series bigint,
        idempotency_key text, billing_key_id text, channel_key text, pg_provider text, request_body text,
        request_hash text, protocol_version bigint, started_at timestamptz, lease_epoch bigint, lease_until timestamptz)
),
leased AS (
    UPDATE renewals r
    SET state = 'charging', lease_epoch = c.lease_epoch, lease_until = c.lease_until,
        unsettled_claims = r.unsettled_claims + 1, attempt_count = r.attempt_count + 1, updated_at = c.started_at
    FROM claimed c
    WHERE r.id = c.renewal_id AND r.state = 'due' AND r.lease_epoch < c.lease_epoch
    RETURNING r.id
)
INSERT INTO attempts (id, renewal_id, run_id, number, payment_id, series, idempotency_key, billing_key_id, channel_key,
    pg_provider, request_body, request_hash, protocol_version, state, started_at)
SELECT c.attempt_id, c.renewal_id, c.run_id, c.number, c.payment_id, c.series, c.idempotency_key, c.billing_key_id,
    c.channel_key, c.pg_provider, c.request_body, c.request_hash, c.protocol_version, 'open', c.started_at
FROM claimed c
JOIN leased l ON l.id = c.renewal_id
RETURNING renewal_id::text AS id
