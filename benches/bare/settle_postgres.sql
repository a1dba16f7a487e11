-- The result, the new period and one event, after the call.
-- $1 renewals, $2 transactions
WITH done AS (
    SELECT * FROM unnest($1::bigint[], $2::text[]) AS d (id, transaction_id)
),
attempted AS (
    UPDATE attempts a SET state = 'paid', transaction_id = d.transaction_id, settled_at = now()
    FROM done d WHERE a.renewal_id = d.id AND a.number = 1
),
settled AS (
    UPDATE renewals r SET state = 'paid'
    FROM done d WHERE r.id = d.id AND r.state = 'charging'
    RETURNING r.id, r.subscription_id
),
moved AS (
    UPDATE subscriptions s SET period_end = s.period_end + interval '1 month'
    FROM settled r WHERE s.id = r.subscription_id
)
INSERT INTO events (kind, renewal_id, payload, created_at)
SELECT 'renewal.paid', r.id, jsonb_build_object('renewal', r.id, 'subscription', r.subscription_id), now() FROM settled r
