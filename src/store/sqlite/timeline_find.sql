-- Which subscription is meant.
-- $1 the id, $2 the id if it is a UUID
SELECT f.subscription_id FROM (
    SELECT 1 AS preference, id AS subscription_id FROM subscriptions WHERE id = $1
    UNION ALL
    SELECT 2, subscription_id FROM renewals WHERE id = $2
    UNION ALL
    SELECT 3, subscription_id FROM renewals WHERE payment_id = $1
    UNION ALL
    SELECT 4, r.subscription_id FROM retired_payments p JOIN renewals r ON r.id = p.renewal_id
    WHERE p.payment_id = $1
    UNION ALL
    SELECT 5, r.subscription_id FROM payments p JOIN renewals r ON r.id = p.renewal_id WHERE p.payment_id = $1
) f
ORDER BY f.preference
LIMIT 1
