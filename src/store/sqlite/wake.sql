-- Payments that were found at the gateway: kept as observations, their lost attempts brought back (closed), and their
-- payment ids made due for a look-up. What is claimed, paid or refunded is left alone.
-- $1 rows, $2 now
INSERT INTO observations (payment_id, renewal_id, status, amount, cancelled_amount, currency, transaction_id,
    pg_tx_id, pg_provider, channel_type, paid_at, verified, seen_by, observed_at)
SELECT f.value ->> 'payment_id', f.value ->> 'renewal_id', f.value ->> 'status', f.value ->> 'amount',
    f.value ->> 'cancelled_amount', f.value ->> 'currency', f.value ->> 'transaction_id', f.value ->> 'pg_tx_id',
    f.value ->> 'pg_provider', f.value ->> 'channel_type', f.value ->> 'paid_at', f.value ->> 'verified',
    f.value ->> 'seen_by', $2
FROM json_each($1) AS f
WHERE true
ON CONFLICT DO NOTHING;
-- A number that another attempt took since, or that another payment of these takes, is not taken twice.
INSERT INTO attempts (id, renewal_id, run_id, number, payment_id, series, idempotency_key, billing_key_id,
    channel_key, pg_provider, request_body, request_hash, protocol_version, state, started_at, settled_at,
    transaction_id, note)
SELECT n.value ->> 'attempt_id', n.id, n.value ->> 'run_id', n.free_number, n.value ->> 'payment_id',
    n.value ->> 'series', (n.value ->> 'payment_id') || '-' || n.free_number, n.value ->> 'billing_key_id',
    n.value ->> 'channel_key', n.value ->> 'pg_provider', n.value ->> 'request_body', n.value ->> 'request_hash',
    n.value ->> 'protocol_version', n.value ->> 'attempt_state', n.value ->> 'started_at', $2,
    n.value ->> 'transaction_id', n.value ->> 'note'
FROM (
    SELECT l.value, l.id, CASE WHEN l.is_taken
        THEN max(
                coalesce((SELECT max(a.number) FROM attempts a WHERE a.renewal_id = l.id), 0),
                max(l.number) OVER (PARTITION BY l.id))
            + row_number() OVER (PARTITION BY l.id, l.is_taken ORDER BY l.value ->> 'payment_id')
        ELSE l.number END AS free_number
    FROM (
        SELECT f.value, r.id, f.value ->> 'number' AS number,
            EXISTS (SELECT 1 FROM attempts a WHERE a.renewal_id = r.id AND a.number = f.value ->> 'number')
                OR row_number() OVER (
                    PARTITION BY r.id, f.value ->> 'number' ORDER BY f.value ->> 'payment_id') > 1 AS is_taken
        FROM json_each($1) AS f
        JOIN renewals r ON r.id = f.value ->> 'found_renewal_id'
        WHERE r.state IN ('due', 'unknown', 'failed', 'canceled', 'lapsed', 'review')
            AND f.value ->> 'attempt_id' IS NOT NULL
    ) l
) n
WHERE true
ON CONFLICT DO NOTHING;
INSERT INTO retired_payments (payment_id, renewal_id, series, retired_at, next_look_up_at)
SELECT f.value ->> 'payment_id', r.id, f.value ->> 'series', $2, $2
FROM json_each($1) AS f
JOIN renewals r ON r.id = f.value ->> 'found_renewal_id' AND r.payment_id <> f.value ->> 'payment_id'
WHERE r.state IN ('due', 'unknown', 'failed', 'canceled', 'lapsed', 'review')
ON CONFLICT (payment_id) DO UPDATE SET next_look_up_at = excluded.next_look_up_at;
UPDATE renewals
SET attempt_count = renewals.attempt_count + (
        SELECT count(*) FROM attempts a
        WHERE a.renewal_id = renewals.id AND a.id IN (SELECT f.value ->> 'attempt_id' FROM json_each($1) AS f)),
    next_look_up_at = CASE
        WHEN renewals.payment_id IN (SELECT f.value ->> 'payment_id' FROM json_each($1) AS f)
        THEN $2 ELSE renewals.next_look_up_at END,
    updated_at = $2
WHERE renewals.id IN (SELECT f.value ->> 'found_renewal_id' FROM json_each($1) AS f)
    AND renewals.state IN ('due', 'unknown', 'failed', 'canceled', 'lapsed', 'review')
