-- Payments that were found at the gateway: kept as observations, their lost attempts brought back (closed), and their
-- payment ids made due for a look-up. What is claimed, paid or refunded is left alone.
-- $1 rows, $2 now
WITH found AS (
    SELECT * FROM json_to_recordset($1::json) AS f (
        found_renewal_id uuid, series bigint, payment_id text, renewal_id uuid, status text, amount bigint,
        cancelled_amount bigint, currency text, transaction_id text, pg_tx_id text, pg_provider text, channel_type text,
        paid_at timestamptz, verified boolean, seen_by text, attempt_id uuid, run_id uuid, number bigint,
        billing_key_id text, channel_key text, request_body text, request_hash text, protocol_version bigint,
        attempt_state text, started_at timestamptz, note text)
),
waiting AS MATERIALIZED (
    SELECT r.id, r.payment_id
    FROM renewals r
    WHERE r.id IN (SELECT found_renewal_id FROM found)
        AND r.state IN ('due', 'unknown', 'failed', 'canceled', 'lapsed', 'review')
    ORDER BY r.id
    FOR UPDATE
),
kept AS (
    INSERT INTO observations (payment_id, renewal_id, status, amount, cancelled_amount, currency, transaction_id,
        pg_tx_id, pg_provider, channel_type, paid_at, verified, seen_by, observed_at)
    SELECT f.payment_id, f.renewal_id, f.status, f.amount, f.cancelled_amount, f.currency, f.transaction_id,
        f.pg_tx_id, f.pg_provider, f.channel_type, f.paid_at, f.verified, f.seen_by, $2::timestamptz
    FROM found f
    ON CONFLICT DO NOTHING
),
-- A number that another attempt took since, or that another payment of these takes, is not taken twice.
lost AS (
    SELECT f.*, w.id AS waiting_id,
        EXISTS (SELECT FROM attempts a WHERE a.renewal_id = w.id AND a.number = f.number)
            OR row_number() OVER (PARTITION BY w.id, f.number ORDER BY f.payment_id) > 1 AS is_taken
    FROM found f
    JOIN waiting w ON w.id = f.found_renewal_id
    WHERE f.attempt_id IS NOT NULL
),
numbered AS (
    SELECT l.*, CASE WHEN l.is_taken
        THEN greatest(
                (SELECT max(a.number) FROM attempts a WHERE a.renewal_id = l.waiting_id),
                max(l.number) OVER (PARTITION BY l.waiting_id))
            + row_number() OVER (PARTITION BY l.waiting_id, l.is_taken ORDER BY l.payment_id)
        ELSE l.number END AS free_number
    FROM lost l
),
added AS (
    INSERT INTO attempts (id, renewal_id, run_id, number, payment_id, series, idempotency_key, billing_key_id,
        channel_key, pg_provider, request_body, request_hash, protocol_version, state, started_at, settled_at,
        transaction_id, note)
    SELECT f.attempt_id, f.waiting_id, f.run_id, f.free_number, f.payment_id, f.series,
        f.payment_id || '-' || f.free_number, f.billing_key_id, f.channel_key, f.pg_provider, f.request_body,
        f.request_hash, f.protocol_version, f.attempt_state, f.started_at, $2::timestamptz, f.transaction_id, f.note
    FROM numbered f
    ON CONFLICT DO NOTHING
    RETURNING renewal_id
),
given_up AS (
    INSERT INTO retired_payments (payment_id, renewal_id, series, retired_at, next_look_up_at)
    SELECT f.payment_id, w.id, f.series, $2::timestamptz, $2::timestamptz
    FROM found f
    JOIN waiting w ON w.id = f.found_renewal_id AND w.payment_id <> f.payment_id
    ON CONFLICT (payment_id) DO UPDATE SET next_look_up_at = excluded.next_look_up_at
)
UPDATE renewals r
SET attempt_count = r.attempt_count + (SELECT count(*) FROM added a WHERE a.renewal_id = r.id),
    next_look_up_at = CASE
        WHEN r.payment_id IN (SELECT payment_id FROM found) THEN $2::timestamptz ELSE r.next_look_up_at END,
    updated_at = $2::timestamptz
FROM waiting w
WHERE r.id = w.id
