-- Payments that were seen without the right to settle; the same sight is kept once.
-- $1 payments, $2 now or NULL
INSERT INTO observations (payment_id, renewal_id, status, amount, cancelled_amount, currency, transaction_id,
    pg_tx_id, pg_provider, channel_type, paid_at, verified, seen_by, observed_at)
SELECT p.payment_id, p.renewal_id, p.status, p.amount, p.cancelled_amount, p.currency, p.transaction_id,
    p.pg_tx_id, p.pg_provider, p.channel_type, p.paid_at, p.verified, p.seen_by,
    coalesce($2::timestamptz, clock_timestamp())
FROM json_to_recordset($1::json) AS p (
    payment_id text, renewal_id uuid, status text, amount bigint, cancelled_amount bigint, currency text,
    transaction_id text, pg_tx_id text, pg_provider text, channel_type text, paid_at timestamptz, verified boolean,
    seen_by text)
ON CONFLICT DO NOTHING
