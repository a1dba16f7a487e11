-- What asking led to: only for refunds that are still open, and for renewals that are still where it was decided from.
-- $1 rows, $2 now or NULL
WITH asked AS (
    SELECT * FROM json_to_recordset($1::json) AS a (
        payment_id text, number bigint, renewal_id uuid, state text, next_try_at timestamptz, note text, from_state text,
        to_state text, review_reason text)
),
clock AS MATERIALIZED (
    SELECT coalesce($2::timestamptz, clock_timestamp()) AS now
),
refunded AS (
    UPDATE refunds f
    SET state = a.state, next_try_at = a.next_try_at, tries = f.tries + 1, note = a.note,
        updated_at = (SELECT now FROM clock)
    FROM asked a
    WHERE f.payment_id = a.payment_id AND f.number = a.number AND f.state IN ('wanted', 'requested')
    RETURNING f.payment_id
),
moved AS (
    UPDATE renewals r
    SET state = a.to_state, review_reason = coalesce(a.review_reason, r.review_reason), next_look_up_at = NULL,
        next_attempt_at = NULL, updated_at = (SELECT now FROM clock)
    FROM asked a
    JOIN refunded f ON f.payment_id = a.payment_id
    WHERE r.id = a.renewal_id AND r.state = a.from_state
)
SELECT payment_id AS id FROM refunded
