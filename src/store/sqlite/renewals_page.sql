-- One page of what is searched for, the newest first. The narrowest of what is given leads, each by an index of its own;
-- the others find nothing then, at no cost.
-- $1 state, $2 subscription, $3 payment, $4 business date, $5 before: id, $6 at most
WITH chosen (id) AS (
    SELECT id FROM renewals WHERE payment_id = $3
    UNION ALL
    SELECT renewal_id FROM retired_payments WHERE payment_id = $3
    UNION ALL
    SELECT renewal_id FROM payments WHERE payment_id = $3
    UNION ALL
    SELECT id FROM renewals WHERE $3 IS NULL AND subscription_id = $2
    UNION ALL
    SELECT id FROM (SELECT id FROM renewals
        WHERE coalesce($3, $2) IS NULL AND business_date = $4 AND ($1 IS NULL OR state = $1)
            AND id < coalesce($5, '~')
        ORDER BY id DESC LIMIT $6)
    UNION ALL
    SELECT id FROM (SELECT id FROM renewals
        WHERE coalesce($3, $2, $4) IS NULL AND state <> 'paid' AND state = $1
            AND id < coalesce($5, '~')
        ORDER BY id DESC LIMIT $6)
    UNION ALL
    SELECT id FROM (SELECT id FROM renewals
        WHERE coalesce($3, $2, $4) IS NULL AND coalesce($1, 'paid') = 'paid' AND ($1 IS NULL OR state = $1)
            AND id < coalesce($5, '~')
        ORDER BY id DESC LIMIT $6)
)
SELECT id, subscription_id, plan_id, business_date, period_start, period_end, amount, currency, state, payment_id,
    attempt_count, decline_count, next_attempt_at, next_look_up_at, waits_for_key, access_until, review_reason,
    canceled_during_charge, created_at, updated_at
FROM renewals
WHERE id IN (SELECT id FROM chosen)
    AND ($1 IS NULL OR state = $1)
    AND ($2 IS NULL OR subscription_id = $2)
    AND ($4 IS NULL OR business_date = $4)
    AND id < coalesce($5, '~')
ORDER BY id DESC
LIMIT $6
