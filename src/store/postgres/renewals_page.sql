-- One page of what is searched for, the newest first. The narrowest of what is given leads, each by an index of its own;
-- the others find nothing then, at no cost.
-- $1 state, $2 subscription, $3 payment, $4 business date, $5 before: id, $6 at most
WITH chosen (id) AS (
    SELECT id FROM renewals WHERE payment_id = $3::text
    UNION ALL
    SELECT renewal_id FROM retired_payments WHERE payment_id = $3::text
    UNION ALL
    SELECT renewal_id FROM payments WHERE payment_id = $3::text
    UNION ALL
    SELECT id FROM renewals WHERE $3::text IS NULL AND subscription_id = $2::text
    UNION ALL
    (SELECT id FROM renewals
        WHERE coalesce($3::text, $2::text) IS NULL AND business_date = $4::date AND ($1::text IS NULL OR state = $1::text)
            AND id < coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY id DESC LIMIT $6::bigint)
    UNION ALL
    (SELECT id FROM renewals
        WHERE coalesce($3::text, $2::text, $4::text) IS NULL AND state <> 'paid' AND state = $1::text
            AND id < coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY id DESC LIMIT $6::bigint)
    UNION ALL
    (SELECT id FROM renewals
        WHERE coalesce($3::text, $2::text, $4::text) IS NULL AND coalesce($1::text, 'paid') = 'paid' AND ($1::text IS NULL OR state = $1::text)
            AND id < coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY id DESC LIMIT $6::bigint)
)
SELECT id::text, subscription_id, plan_id, business_date, period_start, period_end, amount, currency, state, payment_id,
    attempt_count, decline_count, next_attempt_at, next_look_up_at, waits_for_key, access_until, review_reason,
    canceled_during_charge, created_at, updated_at
FROM renewals
WHERE id IN (SELECT id FROM chosen)
    AND ($1::text IS NULL OR state = $1::text)
    AND ($2::text IS NULL OR subscription_id = $2::text)
    AND ($4::date IS NULL OR business_date = $4::date)
    AND id < coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY renewals.id DESC
LIMIT $6::bigint
