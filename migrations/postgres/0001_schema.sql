-- The tables of renewd, version 1.
--
-- The API service writes plans, customers, billing_keys and subscriptions, and reads the two views at the end.
-- Everything else is renewd's own. Amounts are in the currency's minor unit; times are instants.

CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    payment_id_key text NOT NULL CHECK (length(payment_id_key) = 64),
    store_id text,
    channel_type text CHECK (channel_type IN ('LIVE', 'TEST')),
    clock_high_water timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK ((store_id IS NULL) = (channel_type IS NULL))
);
COMMENT ON TABLE installation IS 'One row: what was fixed when this database was made.';
COMMENT ON COLUMN installation.only_row IS 'Keeps the table at one row.';
COMMENT ON COLUMN installation.payment_id_key IS 'Secret, 32 bytes in hex: payment ids are derived with it. Losing it risks double charges after a restore.';
COMMENT ON COLUMN installation.store_id IS 'The PortOne store that this database belongs to, fixed by the first run that charges.';
COMMENT ON COLUMN installation.channel_type IS 'LIVE or TEST, fixed with store_id: test settings never meet live data.';
COMMENT ON COLUMN installation.clock_high_water IS 'The latest time ever read; used where the database has no clock of its own (SQLite).';
COMMENT ON COLUMN installation.created_at IS 'When the first migration ended.';

CREATE TABLE controls (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    paused_at timestamptz,
    paused_by text,
    paused_reason text,
    CHECK ((paused_at IS NULL) = (paused_by IS NULL) AND (paused_at IS NULL) = (paused_reason IS NULL))
);
COMMENT ON TABLE controls IS 'One row: the kill switch. While paused_at is set, no charge starts anywhere.';
COMMENT ON COLUMN controls.only_row IS 'Keeps the table at one row.';
COMMENT ON COLUMN controls.paused_at IS 'Since when charging is stopped; NULL while it may run.';
COMMENT ON COLUMN controls.paused_by IS 'Who stopped it.';
COMMENT ON COLUMN controls.paused_reason IS 'Why.';
INSERT INTO controls (only_row) VALUES (true);

CREATE TABLE plans (
    id text PRIMARY KEY CHECK (id <> ''),
    name text NOT NULL,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    currency text NOT NULL,
    interval text NOT NULL,
    tier text NOT NULL,
    fallback_tier text NOT NULL,
    order_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE plans IS 'What is sold. Written by the API service; a changed price applies to renewals planned later.';
COMMENT ON COLUMN plans.id IS 'The API service''s name for it.';
COMMENT ON COLUMN plans.name IS 'For people.';
COMMENT ON COLUMN plans.amount IS 'The price of one period, in minor units.';
COMMENT ON COLUMN plans.currency IS 'ISO 4217, such as KRW.';
COMMENT ON COLUMN plans.interval IS 'ISO 8601: P30D, P1M, P1Y.';
COMMENT ON COLUMN plans.tier IS 'What its subscribers may use.';
COMMENT ON COLUMN plans.fallback_tier IS 'The tier after a downgrade.';
COMMENT ON COLUMN plans.order_name IS 'What the customer reads on the receipt.';
COMMENT ON COLUMN plans.created_at IS 'When the row was written.';
COMMENT ON COLUMN plans.updated_at IS 'When the row was last changed.';

CREATE TABLE customers (
    id text PRIMARY KEY CHECK (id <> ''),
    name text,
    email text,
    phone text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE customers IS 'Who pays. Written by the API service.';
COMMENT ON COLUMN customers.id IS 'The API service''s name for the customer.';
COMMENT ON COLUMN customers.name IS 'Some payment gateways insist on it.';
COMMENT ON COLUMN customers.email IS 'Some payment gateways insist on it.';
COMMENT ON COLUMN customers.phone IS 'Some payment gateways insist on it.';
COMMENT ON COLUMN customers.created_at IS 'When the row was written.';
COMMENT ON COLUMN customers.updated_at IS 'When the row was last changed.';

CREATE TABLE billing_keys (
    id text PRIMARY KEY CHECK (id <> ''),
    customer_id text NOT NULL REFERENCES customers (id),
    billing_key text NOT NULL CHECK (billing_key <> ''),
    channel_key text,
    pg_provider text,
    state text NOT NULL DEFAULT 'usable' CHECK (state IN ('usable', 'unusable')),
    unusable_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX billing_keys_customer ON billing_keys (customer_id, created_at);
COMMENT ON TABLE billing_keys IS 'Stored cards and wallets; the newest usable one is charged. A new card is a new row.';
COMMENT ON COLUMN billing_keys.id IS 'Safe to log, unlike the key itself.';
COMMENT ON COLUMN billing_keys.customer_id IS 'Whose card it is.';
COMMENT ON COLUMN billing_keys.billing_key IS 'Secret: PortOne''s token. Never changes within a row.';
COMMENT ON COLUMN billing_keys.channel_key IS 'The channel that it was issued on, if known.';
COMMENT ON COLUMN billing_keys.pg_provider IS 'The payment gateway behind PortOne, such as TOSSPAYMENTS.';
COMMENT ON COLUMN billing_keys.state IS 'usable, or unusable once the gateway said that it is gone.';
COMMENT ON COLUMN billing_keys.unusable_reason IS 'What the gateway said, or the API service.';
COMMENT ON COLUMN billing_keys.created_at IS 'When the row was written; the newest key comes first.';
COMMENT ON COLUMN billing_keys.updated_at IS 'When the row was last changed.';

CREATE TABLE subscriptions (
    id text PRIMARY KEY CHECK (id <> ''),
    customer_id text NOT NULL REFERENCES customers (id),
    plan_id text NOT NULL REFERENCES plans (id),
    next_plan_id text REFERENCES plans (id),
    tier text NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'past_due', 'downgraded')),
    current_period_start timestamptz NOT NULL CHECK (current_period_start >= '1970-01-01T00:00:00Z'),
    current_period_end timestamptz NOT NULL CHECK (current_period_end < '2500-01-01T00:00:00Z'),
    anchor_day bigint NOT NULL CHECK (anchor_day BETWEEN 1 AND 31),
    cancel_at_period_end boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (current_period_start < current_period_end)
) WITH (fillfactor = 85);
CREATE INDEX subscriptions_due ON subscriptions (current_period_end, id) WHERE status IN ('active', 'past_due');
CREATE INDEX subscriptions_canceled ON subscriptions (id)
    WHERE cancel_at_period_end AND status IN ('active', 'past_due');
COMMENT ON TABLE subscriptions IS 'One customer on one plan. Written by the API service; renewd moves the period and sets tier and status.';
COMMENT ON COLUMN subscriptions.id IS 'The API service''s name for it.';
COMMENT ON COLUMN subscriptions.customer_id IS 'Who pays.';
COMMENT ON COLUMN subscriptions.plan_id IS 'The plan of the current period.';
COMMENT ON COLUMN subscriptions.next_plan_id IS 'A plan change that takes effect at the next renewal.';
COMMENT ON COLUMN subscriptions.tier IS 'What may be used now.';
COMMENT ON COLUMN subscriptions.status IS 'active; past_due while a renewal is being collected after the period ended; downgraded.';
COMMENT ON COLUMN subscriptions.current_period_start IS 'The period that is paid for: from here';
COMMENT ON COLUMN subscriptions.current_period_end IS 'to here, not included. Moves only with a verified payment.';
COMMENT ON COLUMN subscriptions.anchor_day IS 'The day of the month that monthly periods keep, in the business zone.';
COMMENT ON COLUMN subscriptions.cancel_at_period_end IS 'Set to cancel: a renewal that is not claimed yet is then never charged.';
COMMENT ON COLUMN subscriptions.created_at IS 'When the row was written.';
COMMENT ON COLUMN subscriptions.updated_at IS 'When the row was last changed.';

CREATE TABLE renewals (
    id uuid PRIMARY KEY,
    subscription_id text NOT NULL REFERENCES subscriptions (id),
    customer_id text NOT NULL,
    plan_id text NOT NULL,
    business_date date NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz,
    amount bigint CHECK (amount BETWEEN 1 AND 9007199254740991),
    currency text,
    order_name text NOT NULL,
    payment_id text NOT NULL CONSTRAINT renewals_one_payment_id UNIQUE,
    series bigint NOT NULL DEFAULT 0 CHECK (series >= 0),
    state text NOT NULL CHECK (state IN
        ('due', 'charging', 'unknown', 'paid', 'failed', 'canceled', 'lapsed', 'review', 'refunded')),
    next_attempt_at timestamptz,
    next_look_up_at timestamptz,
    waits_for_key boolean NOT NULL DEFAULT false,
    access_until timestamptz NOT NULL,
    attempt_count bigint NOT NULL DEFAULT 0 CHECK (attempt_count >= 0),
    decline_count bigint NOT NULL DEFAULT 0 CHECK (decline_count >= 0),
    unsettled_claims bigint NOT NULL DEFAULT 0 CHECK (unsettled_claims >= 0),
    lease_epoch bigint NOT NULL DEFAULT 0 CHECK (lease_epoch >= 0),
    lease_until timestamptz,
    first_declined_at timestamptz,
    last_decline_class text,
    last_decline_reason text,
    last_pg_code text,
    last_pg_message text,
    unknown_since timestamptz,
    look_ups bigint NOT NULL DEFAULT 0 CHECK (look_ups >= 0),
    canceled_during_charge boolean NOT NULL DEFAULT false,
    period_not_moved boolean NOT NULL DEFAULT false,
    review_reason text,
    paid_at timestamptz,
    pg_tx_id text,
    ended_at timestamptz,
    planned_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT renewals_one_per_period UNIQUE (subscription_id, period_start),
    CONSTRAINT renewals_complete CHECK (state IN ('review', 'canceled', 'lapsed')
        OR (amount IS NOT NULL AND currency IS NOT NULL AND period_end IS NOT NULL)),
    CONSTRAINT renewals_leased CHECK ((state = 'charging') = (lease_until IS NOT NULL)),
    CONSTRAINT renewals_period CHECK (period_end > period_start)
) WITH (fillfactor = 85);
CREATE INDEX renewals_due ON renewals (next_attempt_at, id) WHERE state = 'due' AND next_attempt_at IS NOT NULL;
CREATE INDEX renewals_look_up ON renewals (next_look_up_at, id) WHERE next_look_up_at IS NOT NULL;
CREATE INDEX renewals_waiting ON renewals (id) WHERE state IN ('due', 'canceled');
COMMENT ON TABLE renewals IS 'The move of one subscription from one period to the next: at most one row per subscription and period.';
COMMENT ON COLUMN renewals.id IS 'UUIDv7.';
COMMENT ON COLUMN renewals.subscription_id IS 'Whose period it is.';
COMMENT ON COLUMN renewals.customer_id IS 'Who pays, as it was when planned.';
COMMENT ON COLUMN renewals.plan_id IS 'The plan that the new period is on.';
COMMENT ON COLUMN renewals.business_date IS 'The calendar date, in the business zone, of the run that planned it.';
COMMENT ON COLUMN renewals.period_start IS 'The end of the period before.';
COMMENT ON COLUMN renewals.period_end IS 'The end of the new period.';
COMMENT ON COLUMN renewals.amount IS 'The price, frozen when planned, in minor units.';
COMMENT ON COLUMN renewals.currency IS 'ISO 4217.';
COMMENT ON COLUMN renewals.order_name IS 'What the customer reads on the receipt.';
COMMENT ON COLUMN renewals.payment_id IS 'The paymentId at PortOne: derived, the same for every attempt, so that it can succeed once only.';
COMMENT ON COLUMN renewals.series IS 'How many payment ids before this one were used up.';
COMMENT ON COLUMN renewals.state IS 'due, charging, unknown, paid, failed, canceled, lapsed, review, refunded.';
COMMENT ON COLUMN renewals.next_attempt_at IS 'When it may be claimed; NULL while nothing is planned.';
COMMENT ON COLUMN renewals.next_look_up_at IS 'When the gateway is asked again about it; NULL for never.';
COMMENT ON COLUMN renewals.waits_for_key IS 'It waits for a new billing key.';
COMMENT ON COLUMN renewals.access_until IS 'How long the customer keeps access while it is collected.';
COMMENT ON COLUMN renewals.attempt_count IS 'Attempts that were not given back unsent.';
COMMENT ON COLUMN renewals.decline_count IS 'Declines so far.';
COMMENT ON COLUMN renewals.unsettled_claims IS 'Claims since the last settle: a row that kills its worker must not be claimed for ever.';
COMMENT ON COLUMN renewals.lease_epoch IS 'Goes up with each claim: a settle with an older one is void.';
COMMENT ON COLUMN renewals.lease_until IS 'Until when its worker holds it. In no index, on purpose.';
COMMENT ON COLUMN renewals.first_declined_at IS 'The ladder counts from here.';
COMMENT ON COLUMN renewals.last_decline_class IS 'hard, soft, transient, config or unknown.';
COMMENT ON COLUMN renewals.last_decline_reason IS 'Why, in renewd''s words.';
COMMENT ON COLUMN renewals.last_pg_code IS 'Why, as the payment gateway said it.';
COMMENT ON COLUMN renewals.last_pg_message IS 'The payment gateway''s text.';
COMMENT ON COLUMN renewals.unknown_since IS 'Since when its outcome is not known.';
COMMENT ON COLUMN renewals.look_ups IS 'Look-ups since the outcome became unknown, or since it ended.';
COMMENT ON COLUMN renewals.canceled_during_charge IS 'The customer cancelled when it was being charged already: too late for this period.';
COMMENT ON COLUMN renewals.period_not_moved IS 'Paid, but the subscription was at another period by then: a person must look.';
COMMENT ON COLUMN renewals.review_reason IS 'What a person must look at.';
COMMENT ON COLUMN renewals.paid_at IS 'When the gateway took the money.';
COMMENT ON COLUMN renewals.pg_tx_id IS 'The payment gateway''s number for it.';
COMMENT ON COLUMN renewals.ended_at IS 'When it left the open states.';
COMMENT ON COLUMN renewals.planned_by IS 'The run that planned it.';
COMMENT ON COLUMN renewals.created_at IS 'When it was planned.';
COMMENT ON COLUMN renewals.updated_at IS 'When it last changed.';

CREATE TABLE attempts (
    id uuid PRIMARY KEY,
    renewal_id uuid NOT NULL REFERENCES renewals (id),
    run_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    payment_id text NOT NULL,
    series bigint NOT NULL,
    idempotency_key text NOT NULL CONSTRAINT attempts_one_idempotency_key UNIQUE,
    billing_key_id text NOT NULL,
    channel_key text,
    pg_provider text,
    request_body text NOT NULL,
    request_hash text NOT NULL,
    protocol_version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'paid', 'declined', 'refused', 'not_charged')),
    started_at timestamptz NOT NULL,
    settled_at timestamptz,
    settled_epoch bigint,
    transaction_id text,
    pg_code text,
    pg_message text,
    decline_class text,
    decline_reason text,
    note text,
    CONSTRAINT attempts_one_number UNIQUE (renewal_id, number),
    CONSTRAINT attempts_settled CHECK ((state = 'open') = (settled_at IS NULL))
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX attempts_one_open ON attempts (renewal_id) WHERE state = 'open';
COMMENT ON TABLE attempts IS 'One try at charging a renewal, committed before its request. At most one of a renewal is open.';
COMMENT ON COLUMN attempts.id IS 'UUIDv7.';
COMMENT ON COLUMN attempts.renewal_id IS 'What it charges.';
COMMENT ON COLUMN attempts.run_id IS 'The run that claimed it.';
COMMENT ON COLUMN attempts.number IS 'Counts from 1 within the renewal.';
COMMENT ON COLUMN attempts.payment_id IS 'The paymentId that it was sent under.';
COMMENT ON COLUMN attempts.series IS 'The series of that paymentId.';
COMMENT ON COLUMN attempts.idempotency_key IS 'Sent as Idempotency-Key; a repeat of the same attempt has the same one.';
COMMENT ON COLUMN attempts.billing_key_id IS 'Which billing key was charged.';
COMMENT ON COLUMN attempts.channel_key IS 'On which channel, if it was named.';
COMMENT ON COLUMN attempts.pg_provider IS 'The payment gateway behind it, once known.';
COMMENT ON COLUMN attempts.request_body IS 'The frozen body without the billing key: a repeat sends the same bytes.';
COMMENT ON COLUMN attempts.request_hash IS 'SHA-256 of request_body.';
COMMENT ON COLUMN attempts.protocol_version IS 'The version of the charging protocol that wrote it.';
COMMENT ON COLUMN attempts.state IS 'open, paid, declined, refused (our configuration), not_charged.';
COMMENT ON COLUMN attempts.started_at IS 'When it was committed.';
COMMENT ON COLUMN attempts.settled_at IS 'When its outcome was recorded.';
COMMENT ON COLUMN attempts.settled_epoch IS 'The lease that recorded it: a repeat of the same settle is recognized by it.';
COMMENT ON COLUMN attempts.transaction_id IS 'PortOne''s transaction.';
COMMENT ON COLUMN attempts.pg_code IS 'The payment gateway''s code.';
COMMENT ON COLUMN attempts.pg_message IS 'The payment gateway''s text.';
COMMENT ON COLUMN attempts.decline_class IS 'hard, soft, transient, config or unknown.';
COMMENT ON COLUMN attempts.decline_reason IS 'Why, in renewd''s words.';
COMMENT ON COLUMN attempts.note IS 'What was learned, for the timeline.';

CREATE TABLE payments (
    payment_id text PRIMARY KEY,
    renewal_id uuid,
    status text NOT NULL,
    amount bigint,
    cancelled_amount bigint NOT NULL,
    currency text,
    transaction_id text,
    pg_tx_id text,
    pg_provider text,
    channel_type text,
    paid_at timestamptz,
    verified boolean NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX payments_renewal ON payments (renewal_id);
COMMENT ON TABLE payments IS 'The money: one row per payment that the gateway took for us. Rows are only ever added.';
COMMENT ON COLUMN payments.payment_id IS 'The paymentId at PortOne.';
COMMENT ON COLUMN payments.renewal_id IS 'What it paid for, if known.';
COMMENT ON COLUMN payments.status IS 'PortOne''s word when it was recorded.';
COMMENT ON COLUMN payments.amount IS 'amount.total, in minor units.';
COMMENT ON COLUMN payments.cancelled_amount IS 'The sum that had been given back by then, in minor units.';
COMMENT ON COLUMN payments.currency IS 'ISO 4217.';
COMMENT ON COLUMN payments.transaction_id IS 'PortOne''s transaction.';
COMMENT ON COLUMN payments.pg_tx_id IS 'The payment gateway''s number.';
COMMENT ON COLUMN payments.pg_provider IS 'The payment gateway.';
COMMENT ON COLUMN payments.channel_type IS 'LIVE or TEST.';
COMMENT ON COLUMN payments.paid_at IS 'When the money was taken.';
COMMENT ON COLUMN payments.verified IS 'It matched the order in everything.';
COMMENT ON COLUMN payments.recorded_at IS 'When the row was written.';

CREATE TABLE observations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id text NOT NULL,
    renewal_id uuid,
    status text NOT NULL,
    amount bigint,
    cancelled_amount bigint NOT NULL,
    currency text,
    transaction_id text,
    pg_tx_id text,
    pg_provider text,
    channel_type text,
    paid_at timestamptz,
    verified boolean NOT NULL,
    seen_by text NOT NULL,
    observed_at timestamptz NOT NULL,
    CONSTRAINT observations_once UNIQUE (payment_id, status, cancelled_amount, verified, seen_by)
);
COMMENT ON TABLE observations IS 'Payments as somebody saw them without the right to settle: a late worker, a webhook, a listing. Only ever added.';
COMMENT ON COLUMN observations.id IS 'Counts up.';
COMMENT ON COLUMN observations.payment_id IS 'The paymentId that was seen.';
COMMENT ON COLUMN observations.renewal_id IS 'What it belongs to, if known.';
COMMENT ON COLUMN observations.status IS 'PortOne''s word for it.';
COMMENT ON COLUMN observations.amount IS 'amount.total, in minor units.';
COMMENT ON COLUMN observations.cancelled_amount IS 'The sum given back, in minor units.';
COMMENT ON COLUMN observations.currency IS 'ISO 4217.';
COMMENT ON COLUMN observations.transaction_id IS 'PortOne''s transaction.';
COMMENT ON COLUMN observations.pg_tx_id IS 'The payment gateway''s number.';
COMMENT ON COLUMN observations.pg_provider IS 'The payment gateway.';
COMMENT ON COLUMN observations.channel_type IS 'LIVE or TEST.';
COMMENT ON COLUMN observations.paid_at IS 'When the money was taken.';
COMMENT ON COLUMN observations.verified IS 'It matched the order in everything.';
COMMENT ON COLUMN observations.seen_by IS 'Who saw it, or why it was not settled.';
COMMENT ON COLUMN observations.observed_at IS 'When it was first seen like this.';

CREATE TABLE retired_payments (
    payment_id text PRIMARY KEY,
    renewal_id uuid NOT NULL,
    series bigint NOT NULL,
    retired_at timestamptz NOT NULL,
    next_look_up_at timestamptz,
    look_ups bigint NOT NULL DEFAULT 0
);
CREATE INDEX retired_payments_look_up ON retired_payments (next_look_up_at) WHERE next_look_up_at IS NOT NULL;
COMMENT ON TABLE retired_payments IS 'Payment ids of earlier series: given up, but looked up for a while, because money can turn up late.';
COMMENT ON COLUMN retired_payments.payment_id IS 'The paymentId that was given up.';
COMMENT ON COLUMN retired_payments.renewal_id IS 'Whose it was.';
COMMENT ON COLUMN retired_payments.series IS 'Its series.';
COMMENT ON COLUMN retired_payments.retired_at IS 'When it was given up.';
COMMENT ON COLUMN retired_payments.next_look_up_at IS 'When the gateway is asked again; NULL for never.';
COMMENT ON COLUMN retired_payments.look_ups IS 'Look-ups since it was given up.';

CREATE TABLE events (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    subscription_id text,
    renewal_id uuid,
    attempt_id uuid,
    dedupe text NOT NULL CONSTRAINT events_told_once UNIQUE,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    delivery_state text NOT NULL DEFAULT 'pending' CHECK (delivery_state IN ('pending', 'delivered', 'dead')),
    deliveries bigint NOT NULL DEFAULT 0,
    next_delivery_at timestamptz
);
CREATE INDEX events_subscription ON events (subscription_id, id);
CREATE INDEX events_pending ON events (id) WHERE delivery_state = 'pending';
COMMENT ON TABLE events IS 'What happened and somebody may want to be told: written with the change itself, delivered later.';
COMMENT ON COLUMN events.id IS 'UUIDv7.';
COMMENT ON COLUMN events.kind IS 'Such as renewal.paid.';
COMMENT ON COLUMN events.subscription_id IS 'About whom.';
COMMENT ON COLUMN events.renewal_id IS 'About which renewal.';
COMMENT ON COLUMN events.attempt_id IS 'About which attempt.';
COMMENT ON COLUMN events.dedupe IS 'The same thing is told once, however often it is found out.';
COMMENT ON COLUMN events.payload IS 'What the receiver needs. Never a secret.';
COMMENT ON COLUMN events.created_at IS 'When it happened.';
COMMENT ON COLUMN events.delivery_state IS 'pending, delivered, or dead after too many tries.';
COMMENT ON COLUMN events.deliveries IS 'Tries so far.';
COMMENT ON COLUMN events.next_delivery_at IS 'When it is tried again.';

CREATE TABLE runs (
    id uuid PRIMARY KEY,
    trigger text NOT NULL,
    business_date date NOT NULL,
    zone text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'interrupted')),
    actor text NOT NULL,
    figures jsonb NOT NULL,
    error text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX runs_latest ON runs (started_at);
COMMENT ON TABLE runs IS 'One execution of the worker.';
COMMENT ON COLUMN runs.id IS 'UUIDv7.';
COMMENT ON COLUMN runs.trigger IS 'cli, schedule, demo.';
COMMENT ON COLUMN runs.business_date IS 'For which calendar date in the business zone.';
COMMENT ON COLUMN runs.zone IS 'The business zone.';
COMMENT ON COLUMN runs.status IS 'running, completed, failed, interrupted.';
COMMENT ON COLUMN runs.actor IS 'Who started it, and where.';
COMMENT ON COLUMN runs.figures IS 'What it did; {} while it runs.';
COMMENT ON COLUMN runs.error IS 'Why it failed.';
COMMENT ON COLUMN runs.started_at IS 'When it was opened.';
COMMENT ON COLUMN runs.finished_at IS 'When it was closed.';

-- Money is only ever added, and a paid renewal is never made due by hand.

CREATE FUNCTION renewd_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER payments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION renewd_refuse('payments are only ever added');
CREATE TRIGGER renewals_stay_paid BEFORE UPDATE OF state ON renewals
    FOR EACH ROW
    WHEN (OLD.state IN ('paid', 'refunded') AND NEW.state <> OLD.state
        AND NOT (OLD.state = 'paid' AND NEW.state = 'refunded'))
    EXECUTE FUNCTION renewd_refuse('a paid or refunded renewal is never charged again');
CREATE TRIGGER attempts_stay_closed BEFORE UPDATE ON attempts
    FOR EACH ROW WHEN (OLD.state <> 'open')
    EXECUTE FUNCTION renewd_refuse('an attempt that is closed does not change');
CREATE TRIGGER attempts_stay_frozen BEFORE UPDATE OF payment_id, number, idempotency_key, billing_key_id, request_body
    ON attempts
    FOR EACH ROW EXECUTE FUNCTION renewd_refuse('what an attempt sends is frozen');
CREATE TRIGGER billing_keys_stay_same BEFORE UPDATE OF billing_key ON billing_keys
    FOR EACH ROW WHEN (OLD.billing_key <> NEW.billing_key)
    EXECUTE FUNCTION renewd_refuse('a new billing key is a new row of billing_keys');
CREATE FUNCTION renewd_keep_charged_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM attempts WHERE state = 'open' AND billing_key_id = OLD.id) THEN
        RAISE EXCEPTION 'billing key row % is being charged: set its state to unusable instead', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER billing_keys_keep_charged BEFORE DELETE ON billing_keys
    FOR EACH ROW EXECUTE FUNCTION renewd_keep_charged_key();

-- What the API service reads.

CREATE VIEW renewal_results AS
SELECT subscription_id, id AS renewal_id, period_start, period_end, amount, currency, state, payment_id, pg_tx_id,
    paid_at, attempt_count, last_decline_class, last_decline_reason, last_pg_code, last_pg_message, next_attempt_at,
    updated_at
FROM renewals;
COMMENT ON VIEW renewal_results IS 'One row per renewal: what became of it.';

CREATE VIEW subscription_access AS
SELECT s.id AS subscription_id, s.customer_id, s.plan_id, s.tier, s.status, s.current_period_end,
    CASE WHEN r.state IN ('due', 'charging', 'unknown', 'review')
        THEN greatest(s.current_period_end, r.access_until) ELSE s.current_period_end END AS access_until,
    s.cancel_at_period_end,
    CASE
        WHEN EXISTS (SELECT FROM billing_keys k WHERE k.customer_id = s.customer_id AND k.state = 'usable') THEN 'usable'
        WHEN EXISTS (SELECT FROM billing_keys k WHERE k.customer_id = s.customer_id) THEN 'unusable'
        ELSE 'missing'
    END AS billing_key_state
FROM subscriptions s
LEFT JOIN renewals r ON r.subscription_id = s.id AND r.period_start = s.current_period_end;
COMMENT ON VIEW subscription_access IS 'One row per subscription: what the API service should enforce. access_until includes the grace.';

-- Optional: make the roles before migrating, and they are granted what they need.
--   renewd_app     the API service: writes its four tables, reads the views; no attempt, no payment id key
--   renewd_reader  the views only
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'renewd_app') THEN
        GRANT SELECT, INSERT, UPDATE ON plans, customers, billing_keys, subscriptions TO renewd_app;
        GRANT DELETE ON billing_keys TO renewd_app;
        GRANT SELECT ON renewal_results, subscription_access TO renewd_app;
        -- The trigger that keeps a charged key must see which keys are being charged, and no more.
        GRANT SELECT (state, billing_key_id) ON attempts TO renewd_app;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'renewd_reader') THEN
        GRANT SELECT ON renewal_results, subscription_access TO renewd_reader;
    END IF;
END
$$;
