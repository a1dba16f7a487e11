-- Payments that came too late for their lease: kept as observations, and their payment ids are looked up again, given up
-- or not. Rows are found by their keys: `state || ''` is in no index.
-- $1 payments, $2 now
WITH seen AS (
    SELECT * FROM json_to_recordset($1::json) AS p (
        payment_id text, renewal_id uuid, status text, amount bigint, cancelled_amount bigint, currency text,
        transaction_id text, pg_tx_id text, pg_provider text, channel_type text, paid_at timestamptz, verified boolean,
        seen_by text)
),
kept AS (
    INSERT INTO observations (payment_id, renewal_id, status, amount, cancelled_amount, currency, transaction_id,
        pg_tx_id, pg_provider, channel_type, paid_at, verified, seen_by, observed_at)
    SELECT p.payment_id, p.renewal_id, p.status, p.amount, p.cancelled_amount, p.currency, p.transaction_id,
        p.pg_tx_id, p.pg_provider, p.channel_type, p.paid_at, p.verified, p.seen_by, $2::timestamptz
    FROM seen p
    ON CONFLICT DO NOTHING
),
given_up AS (
    UPDATE retired_payments g
    SET next_look_up_at = $2::timestamptz
    FROM seen p
    WHERE g.payment_id = p.payment_id
)
UPDATE renewals r
SET next_look_up_at = $2::timestamptz, updated_at = $2::timestamptz
FROM seen p
WHERE r.id = p.renewal_id AND r.state || '' IN ('due', 'unknown', 'failed', 'canceled', 'lapsed', 'review')
