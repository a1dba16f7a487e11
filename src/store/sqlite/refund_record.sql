-- What asking led to: only for refunds that are still open, and for renewals that are still where it was decided from.
-- $1 rows, $2 now
UPDATE renewals
SET state = a.value ->> 'to_state', review_reason = coalesce(a.value ->> 'review_reason', renewals.review_reason),
    next_look_up_at = NULL, next_attempt_at = NULL, updated_at = $2
FROM json_each($1) AS a
JOIN refunds f ON f.payment_id = a.value ->> 'payment_id' AND f.number = a.value ->> 'number'
    AND f.state IN ('wanted', 'requested')
WHERE renewals.id = a.value ->> 'renewal_id' AND renewals.state = a.value ->> 'from_state';
UPDATE refunds
SET state = a.value ->> 'state', next_try_at = a.value ->> 'next_try_at', tries = refunds.tries + 1,
    note = a.value ->> 'note', updated_at = $2
FROM json_each($1) AS a
WHERE refunds.payment_id = a.value ->> 'payment_id' AND refunds.number = a.value ->> 'number'
    AND refunds.state IN ('wanted', 'requested')
RETURNING payment_id AS id
