-- $1 subscription
SELECT payment_id, renewal_id::text, amount, currency, reason, state, tries::bigint, next_try_at, note, wanted_at,
    updated_at, number, reference, left_after
FROM refunds
WHERE subscription_id = $1::text
ORDER BY wanted_at, payment_id, number
