-- Leases and attempts, before any request is sent.
-- $1 rows. No list of them is joined to another: the planner takes each for a hundred rows and would loop over both.
-- `state || ''` is in no index: rows are found by their keys. While few are due by the server's statistics, the planner
-- would else read all that are due for each batch, and hold each of the batch against each of those.
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
    WHERE r.id = c.renewal_id AND r.state || '' = 'due' AND r.lease_epoch < c.lease_epoch
    RETURNING c.*
)
INSERT INTO attempts (id, renewal_id, run_id, number, payment_id, series, idempotency_key, billing_key_id, channel_key,
    pg_provider, request_body, request_hash, protocol_version, state, started_at)
SELECT l.attempt_id, l.renewal_id, l.run_id, l.number, l.payment_id, l.series, l.idempotency_key, l.billing_key_id,
    l.channel_key, l.pg_provider, l.request_body, l.request_hash, l.protocol_version, 'open', l.started_at
FROM leased l
RETURNING renewal_id::text AS id
