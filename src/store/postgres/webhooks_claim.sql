-- Claims what is to be looked into now, the longest waiting first. A claim that nobody recorded is taken over when its
-- time is up.
-- $1 now, $2 until when it is claimed, $3 at most
WITH picked AS (
    SELECT id FROM webhooks
    WHERE state = 'pending' AND next_try_at <= $1::timestamptz
    ORDER BY next_try_at, id
    LIMIT $3::bigint
    FOR UPDATE SKIP LOCKED
)
UPDATE webhooks w
SET next_try_at = $2::timestamptz, tries = w.tries + 1
FROM picked p
WHERE w.id = p.id
RETURNING w.id, w.kind, w.payment_id, w.billing_key_id, w.happened_at, w.received_at, w.tries,
    (SELECT k.billing_key FROM billing_keys k WHERE k.id = w.billing_key_id) AS billing_key
