-- Nothing turned up (or, with no next time, nothing more is expected): when to look again.
-- A row that was made due again since it was read keeps its time.
-- $1 rows, $2 now or NULL
WITH looked AS (
    SELECT * FROM json_to_recordset($1::json) AS l (
        renewal_id uuid, payment_id text, from_state text, retired boolean, due_at timestamptz,
        next_look_up_at timestamptz)
),
given_up AS (
    UPDATE retired_payments p
    SET next_look_up_at = l.next_look_up_at, look_ups = p.look_ups + 1
    FROM looked l
    WHERE l.retired AND p.payment_id = l.payment_id
        AND p.next_look_up_at IS NOT DISTINCT FROM coalesce(l.due_at, p.next_look_up_at)
)
UPDATE renewals r
SET next_look_up_at = l.next_look_up_at, look_ups = r.look_ups + 1,
    updated_at = coalesce($2::timestamptz, clock_timestamp())
FROM looked l
WHERE NOT l.retired AND r.id = l.renewal_id AND r.state = l.from_state
    AND r.next_look_up_at IS NOT DISTINCT FROM coalesce(l.due_at, r.next_look_up_at)
