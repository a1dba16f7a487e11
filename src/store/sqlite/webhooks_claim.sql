-- Claims what is to be looked into now, the longest waiting first. A claim that nobody recorded is taken over when its
-- time is up.
-- $1 now, $2 until when it is claimed, $3 at most
UPDATE webhooks
SET next_try_at = $2, tries = tries + 1
WHERE id IN (
    SELECT id FROM webhooks WHERE state = 'pending' AND next_try_at <= $1 ORDER BY next_try_at, id LIMIT $3)
RETURNING id, kind, payment_id, billing_key_id, happened_at, received_at, tries,
    (SELECT k.billing_key FROM billing_keys k WHERE k.id = billing_key_id) AS billing_key
