-- Nothing turned up (or, with no next time, nothing more is expected): when to look again.
-- A row that was made due again since it was read keeps its time.
-- $1 rows, $2 now
UPDATE retired_payments
SET next_look_up_at = l.value ->> 'next_look_up_at', look_ups = retired_payments.look_ups + 1
FROM json_each($1) AS l
WHERE l.value ->> 'retired' AND retired_payments.payment_id = l.value ->> 'payment_id'
    AND retired_payments.next_look_up_at IS coalesce(l.value ->> 'due_at', retired_payments.next_look_up_at);
UPDATE renewals
SET next_look_up_at = l.value ->> 'next_look_up_at', look_ups = renewals.look_ups + 1, updated_at = $2
FROM json_each($1) AS l
WHERE NOT l.value ->> 'retired' AND renewals.id = l.value ->> 'renewal_id'
    AND renewals.state = l.value ->> 'from_state'
    AND renewals.next_look_up_at IS coalesce(l.value ->> 'due_at', renewals.next_look_up_at)
