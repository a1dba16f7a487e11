-- Everything that a batch of outcomes changes, and what it tells.
-- $1 rows, $2 payments, $3 now, $4 events, $5 refunds
-- An attempt that is closed stays as it is.
UPDATE attempts
SET state = b.value ->> 'attempt_state', settled_at = b.value ->> 'attempt_settled_at',
    settled_epoch = CASE WHEN b.value ->> 'attempt_settled_at' IS NULL THEN NULL ELSE b.value ->> 'lease_epoch' END,
    transaction_id = coalesce(b.value ->> 'transaction_id', attempts.transaction_id),
    pg_provider = coalesce(b.value ->> 'pg_provider', attempts.pg_provider), pg_code = b.value ->> 'pg_code',
    pg_message = b.value ->> 'pg_message', decline_class = b.value ->> 'decline_class',
    decline_reason = b.value ->> 'decline_reason', decline_matched_by = b.value ->> 'decline_matched_by',
    note = coalesce(b.value ->> 'note', attempts.note)
FROM json_each($1) AS b
WHERE attempts.id = b.value ->> 'attempt_id' AND attempts.state = 'open';
-- Access follows money, and only from the period that was paid for. A plan that was deleted meanwhile takes nothing away.
UPDATE subscriptions
SET current_period_start = b.value ->> 'period_from', current_period_end = b.value ->> 'period_to',
    plan_id = coalesce(p.id, subscriptions.plan_id), next_plan_id = nullif(subscriptions.next_plan_id, b.value ->> 'period_plan_id'),
    tier = coalesce(p.tier, subscriptions.tier), status = 'active', updated_at = $3
FROM json_each($1) AS b
LEFT JOIN plans p ON p.id = b.value ->> 'period_plan_id'
WHERE subscriptions.id = b.value ->> 'subscription_id'
    AND subscriptions.current_period_end = b.value ->> 'period_from';
INSERT INTO payments (payment_id, renewal_id, status, amount, cancelled_amount, currency, transaction_id, pg_tx_id,
    pg_provider, channel_type, paid_at, verified, recorded_at)
SELECT p.value ->> 'payment_id', p.value ->> 'renewal_id', p.value ->> 'status', p.value ->> 'amount',
    p.value ->> 'cancelled_amount', p.value ->> 'currency', p.value ->> 'transaction_id', p.value ->> 'pg_tx_id',
    p.value ->> 'pg_provider', p.value ->> 'channel_type', p.value ->> 'paid_at', p.value ->> 'verified', $3
FROM json_each($2) AS p
WHERE true
ON CONFLICT (payment_id) DO NOTHING;
-- Wanted with the payment, or not at all.
INSERT INTO refunds (payment_id, renewal_id, subscription_id, amount, currency, reason, idempotency_key, state,
    next_try_at, wanted_at, updated_at)
SELECT f.value ->> 'payment_id', f.value ->> 'renewal_id', f.value ->> 'subscription_id', f.value ->> 'amount',
    f.value ->> 'currency', f.value ->> 'reason', f.value ->> 'idempotency_key', 'wanted', $3, $3, $3
FROM json_each($5) AS f
WHERE true
ON CONFLICT DO NOTHING;
UPDATE billing_keys
SET state = 'unusable', unusable_reason = b.value ->> 'key_unusable_reason', updated_at = $3
FROM json_each($1) AS b
WHERE billing_keys.id = b.value ->> 'key_unusable' AND billing_keys.state = 'usable';
-- An id that is given up, or that money under an earlier one takes the place of: there may be money under both.
INSERT INTO retired_payments (payment_id, renewal_id, series, retired_at, next_look_up_at)
SELECT r.payment_id, r.id, r.series, $3,
    CASE WHEN b.value ->> 'retired_payment_id' IS NULL THEN $3 ELSE b.value ->> 'retired_look_up_at' END
FROM json_each($1) AS b
JOIN renewals r ON r.id = b.value ->> 'renewal_id'
WHERE r.payment_id <> b.value ->> 'payment_id'
ON CONFLICT (payment_id) DO NOTHING;
INSERT INTO events (id, kind, subscription_id, renewal_id, attempt_id, dedupe, payload, created_at)
SELECT e.value ->> 'id', e.value ->> 'kind', e.value ->> 'subscription_id', e.value ->> 'renewal_id',
    e.value ->> 'attempt_id', e.value ->> 'dedupe', e.value -> 'payload', e.value ->> 'created_at'
FROM json_each($4) AS e
WHERE true
ON CONFLICT (dedupe) DO NOTHING;
UPDATE renewals
SET state = b.value ->> 'state', next_attempt_at = b.value ->> 'next_attempt_at',
    next_look_up_at = b.value ->> 'next_look_up_at', waits_for_key = b.value ->> 'waits_for_key',
    unknown_since = b.value ->> 'unknown_since', look_ups = b.value ->> 'look_ups',
    decline_count = renewals.decline_count + (b.value ->> 'declines'),
    first_declined_at = b.value ->> 'first_declined_at',
    last_decline_class = coalesce(b.value ->> 'decline_class', renewals.last_decline_class),
    last_decline_reason = coalesce(b.value ->> 'decline_reason', renewals.last_decline_reason),
    last_pg_code = coalesce(b.value ->> 'pg_code', renewals.last_pg_code),
    last_pg_message = coalesce(b.value ->> 'pg_message', renewals.last_pg_message),
    review_reason = b.value ->> 'review_reason',
    access_until = b.value ->> 'access_until', payment_id = b.value ->> 'payment_id', series = b.value ->> 'series',
    unsettled_claims = 0, lease_until = NULL, canceled_during_charge = b.value ->> 'canceled_during_charge',
    period_not_moved = b.value ->> 'period_not_moved', paid_at = coalesce(b.value ->> 'paid_at', renewals.paid_at),
    pg_tx_id = coalesce(b.value ->> 'pg_tx_id', renewals.pg_tx_id),
    ended_at = CASE WHEN b.value ->> 'is_open' THEN NULL ELSE $3 END, updated_at = $3
FROM json_each($1) AS b
WHERE renewals.id = b.value ->> 'renewal_id' AND renewals.state = b.value ->> 'from_state'
    AND renewals.lease_epoch = b.value ->> 'lease_epoch'
