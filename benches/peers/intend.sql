-- The intent of one renewal ($1), before the call: what is claimed, and the request as it will be sent.
WITH claimed AS (
    UPDATE renewals r SET state = 'charging'
    FROM subscriptions s WHERE r.id = $1 AND r.state = 'due' AND s.id = r.subscription_id
    RETURNING r.id, r.payment_id, s.id AS subscription_id, s.billing_key, s.amount
),
intended AS (
    INSERT INTO attempts (renewal_id, number, idempotency_key, request_body, state, started_at)
    SELECT
        c.id, 1, 'attempt-' || c.id || '-1-idempotency',
        json_build_object(
            'storeId', 'store-simulator', 'billingKey', c.billing_key, 'orderName', 'Pro',
            'amount', json_build_object('total', c.amount), 'currency', 'KRW',
            'customer', json_build_object('id', c.subscription_id)
        )::text,
        'open', now()
    FROM claimed c
    RETURNING renewal_id, idempotency_key, request_body
)
SELECT c.payment_id, i.idempotency_key, i.request_body
FROM claimed c JOIN intended i ON i.renewal_id = c.id
