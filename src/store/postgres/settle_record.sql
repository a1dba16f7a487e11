-- Everything that a batch of outcomes changes, and what it tells, in one statement.
-- $1 rows, $2 payments, $3 now, $4 events, $5 refunds
WITH settled AS (
    SELECT * FROM json_to_recordset($1::json) AS b (
        renewal_id uuid, subscription_id text, attempt_id uuid, from_state text, lease_epoch bigint, state text,
        is_open boolean, next_attempt_at timestamptz, next_look_up_at timestamptz, waits_for_key boolean,
        unknown_since timestamptz, look_ups bigint, declines bigint, first_declined_at timestamptz, review_reason text,
        access_until timestamptz, payment_id text, series bigint, retired_payment_id text,
        retired_look_up_at timestamptz, attempt_state text,
        attempt_settled_at timestamptz, transaction_id text, pg_provider text, pg_code text, pg_message text,
        decline_class text, decline_reason text, decline_matched_by text, note text, paid_at timestamptz, pg_tx_id text,
        canceled_during_charge boolean, period_not_moved boolean, period_from timestamptz, period_to timestamptz,
        period_plan_id text, key_unusable text, key_unusable_reason text)
),
-- An attempt that is closed stays as it is. `state || ''` is in no index: attempts are found by their keys, and not by
-- holding all that are open against each of the batch.
attempted AS (
    UPDATE attempts a
    SET state = b.attempt_state, settled_at = b.attempt_settled_at,
        settled_epoch = CASE WHEN b.attempt_settled_at IS NULL THEN NULL ELSE b.lease_epoch END,
        transaction_id = coalesce(b.transaction_id, a.transaction_id),
        pg_provider = coalesce(b.pg_provider, a.pg_provider), pg_code = b.pg_code, pg_message = b.pg_message,
        decline_class = b.decline_class, decline_reason = b.decline_reason,
        decline_matched_by = b.decline_matched_by, note = coalesce(b.note, a.note)
    FROM settled b
    WHERE a.id = b.attempt_id AND a.state || '' = 'open'
),
-- Access follows money, and only from the period that was paid for. A plan that was deleted meanwhile takes nothing away.
moved AS (
    UPDATE subscriptions s
    SET current_period_start = b.period_from, current_period_end = b.period_to, plan_id = coalesce(p.id, s.plan_id),
        next_plan_id = nullif(s.next_plan_id, b.period_plan_id), tier = coalesce(p.tier, s.tier), status = 'active', updated_at = $3::timestamptz
    FROM settled b
    LEFT JOIN plans p ON p.id = b.period_plan_id
    WHERE s.id = b.subscription_id AND s.current_period_end = b.period_from
),
paid AS (
    INSERT INTO payments (payment_id, renewal_id, status, amount, cancelled_amount, currency, transaction_id, pg_tx_id,
        pg_provider, channel_type, paid_at, verified, recorded_at)
    SELECT p.payment_id, p.renewal_id, p.status, p.amount, p.cancelled_amount, p.currency, p.transaction_id, p.pg_tx_id,
        p.pg_provider, p.channel_type, p.paid_at, p.verified, $3::timestamptz
    FROM json_to_recordset($2::json) AS p (
        payment_id text, renewal_id uuid, status text, amount bigint, cancelled_amount bigint, currency text,
        transaction_id text, pg_tx_id text, pg_provider text, channel_type text, paid_at timestamptz, verified boolean)
    ON CONFLICT (payment_id) DO NOTHING
),
-- Wanted with the payment, or not at all.
given_back AS (
    INSERT INTO refunds (payment_id, renewal_id, subscription_id, amount, currency, reason, idempotency_key, state,
        next_try_at, wanted_at, updated_at)
    SELECT f.payment_id, f.renewal_id, f.subscription_id, f.amount, f.currency, f.reason, f.idempotency_key, 'wanted',
        $3::timestamptz, $3::timestamptz, $3::timestamptz
    FROM json_to_recordset($5::json) AS f (
        payment_id text, renewal_id uuid, subscription_id text, amount bigint, currency text, reason text,
        idempotency_key text)
    ON CONFLICT DO NOTHING
),
spent AS (
    UPDATE billing_keys k
    SET state = 'unusable', unusable_reason = b.key_unusable_reason, updated_at = $3::timestamptz
    FROM settled b
    WHERE k.id = b.key_unusable AND k.state = 'usable'
),
-- An id that is given up, or that money under an earlier one takes the place of: there may be money under both.
retired AS (
    INSERT INTO retired_payments (payment_id, renewal_id, series, retired_at, next_look_up_at)
    SELECT r.payment_id, r.id, r.series, $3::timestamptz,
        CASE WHEN b.retired_payment_id IS NULL THEN $3::timestamptz ELSE b.retired_look_up_at END
    FROM settled b
    JOIN renewals r ON r.id = b.renewal_id
    WHERE r.payment_id <> b.payment_id
    ON CONFLICT (payment_id) DO NOTHING
),
told AS (
    INSERT INTO events (id, kind, subscription_id, renewal_id, attempt_id, dedupe, payload, created_at)
    SELECT e.id, e.kind, e.subscription_id, e.renewal_id, e.attempt_id, e.dedupe, e.payload, e.created_at
    FROM json_to_recordset($4::json) AS e (
        id uuid, kind text, subscription_id text, renewal_id uuid, attempt_id uuid, dedupe text, payload jsonb,
        created_at timestamptz)
    ON CONFLICT (dedupe) DO NOTHING
)
UPDATE renewals r
SET state = b.state, next_attempt_at = b.next_attempt_at, next_look_up_at = b.next_look_up_at,
    waits_for_key = b.waits_for_key, unknown_since = b.unknown_since, look_ups = b.look_ups,
    decline_count = r.decline_count + b.declines, first_declined_at = b.first_declined_at,
    last_decline_class = coalesce(b.decline_class, r.last_decline_class),
    last_decline_reason = coalesce(b.decline_reason, r.last_decline_reason),
    last_pg_code = coalesce(b.pg_code, r.last_pg_code), last_pg_message = coalesce(b.pg_message, r.last_pg_message),
    review_reason = b.review_reason, access_until = b.access_until,
    payment_id = b.payment_id, series = b.series, unsettled_claims = 0, lease_until = NULL,
    canceled_during_charge = b.canceled_during_charge, period_not_moved = b.period_not_moved,
    paid_at = coalesce(b.paid_at, r.paid_at), pg_tx_id = coalesce(b.pg_tx_id, r.pg_tx_id),
    ended_at = CASE WHEN b.is_open THEN NULL ELSE $3::timestamptz END, updated_at = $3::timestamptz
FROM settled b
WHERE r.id = b.renewal_id AND r.state = b.from_state AND r.lease_epoch = b.lease_epoch
