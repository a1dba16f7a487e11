-- What is known of payments at the gateway: the renewal by its payment id, by one that it gave up, or by its subscription
-- and period; its subscription; the money as recorded. Keys only where money is not recorded.
-- What is to be given back from here counts as given back.
-- $1 rows: payment_id, subscription_id, period_start, number
WITH wanted AS (
    SELECT w.*, coalesce(
        (SELECT r.id FROM renewals r WHERE r.payment_id = w.payment_id),
        (SELECT g.renewal_id FROM retired_payments g WHERE g.payment_id = w.payment_id),
        (SELECT r.id FROM renewals r WHERE r.subscription_id = w.subscription_id AND r.period_start = w.period_start)
    ) AS renewal_id
    FROM json_to_recordset($1::json) AS w (
        payment_id text, subscription_id text, period_start timestamptz, number bigint)
)
SELECT w.payment_id, r.id::text AS renewal_id, r.subscription_id AS renewal_subscription_id, r.state,
    r.payment_id AS renewal_payment_id, r.series, s.id AS subscription_id, s.current_period_end,
    s.status IN ('active', 'past_due') AS renews, p.amount, p.currency, p.verified,
    greatest(p.cancelled_amount, coalesce(
        (SELECT max(f.back_before + f.amount) FROM refunds f WHERE f.payment_id = p.payment_id), 0)) AS cancelled_amount,
    EXISTS (
        SELECT FROM attempts a
        WHERE a.renewal_id = r.id AND a.payment_id = w.payment_id AND a.number = coalesce(w.number, a.number)
    ) AS attempted,
    coalesce((
        SELECT json_agg(json_build_object('id', k.id, 'billing_key', k.billing_key)
            ORDER BY k.created_at DESC, k.id DESC)
        FROM billing_keys k WHERE p.payment_id IS NULL AND k.customer_id = r.customer_id), '[]') AS keys
FROM wanted w
LEFT JOIN renewals r ON r.id = w.renewal_id
LEFT JOIN subscriptions s ON s.id = coalesce(r.subscription_id, w.subscription_id)
LEFT JOIN payments p ON p.payment_id = w.payment_id
