-- $1 subscription
SELECT payment_id, renewal_id, amount, currency, reason, state, tries, next_try_at, note, wanted_at, updated_at, number,
    reference, left_after
FROM refunds
WHERE subscription_id = $1
ORDER BY wanted_at, payment_id, number
