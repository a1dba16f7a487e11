-- $1 subscription
SELECT a.id, a.renewal_id, a.run_id, a.number, a.payment_id, a.billing_key_id, a.channel_key,
    a.pg_provider, a.state, a.started_at, a.settled_at, a.transaction_id, a.pg_code, a.pg_message, a.decline_class,
    a.decline_reason, a.note
FROM attempts a
JOIN renewals r ON r.id = a.renewal_id
WHERE r.subscription_id = $1
ORDER BY r.period_start, a.number
