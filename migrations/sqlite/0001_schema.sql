-- The tables of renewd, version 1: the same as in postgres/0001_schema.sql.
--
-- The API service writes plans, customers, billing_keys and subscriptions, and reads the two views at the end.
-- Everything else is renewd's own. Amounts are in the currency's minor unit. Times are UTC, as text of fixed width
-- (2026-01-31T00:00:00.000000Z), so that they sort; booleans are 0 or 1; JSON is text.

-- One row: what was fixed when this database was made.
CREATE TABLE installation (
    -- Keeps the table at one row.
    only_row INT PRIMARY KEY NOT NULL DEFAULT 1 CHECK (only_row = 1),
    -- Secret, 32 bytes in hex: payment ids are derived with it. Losing it risks double charges after a restore.
    payment_id_key TEXT NOT NULL CHECK (length(payment_id_key) = 64),
    -- The PortOne store that this database belongs to, fixed by the first run that charges.
    store_id TEXT,
    -- LIVE or TEST, fixed with store_id: test settings never meet live data.
    channel_type TEXT CHECK (channel_type IN ('LIVE', 'TEST')),
    -- The latest time ever read; used where the database has no clock of its own (SQLite).
    clock_high_water TEXT NOT NULL CHECK (clock_high_water GLOB '????-??-??T??:??:??.??????Z'),
    -- When the first migration ended.
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
    CHECK ((store_id IS NULL) = (channel_type IS NULL))
) STRICT;

-- One row: the kill switch. While paused_at is set, no charge starts anywhere.
CREATE TABLE controls (
    -- Keeps the table at one row.
    only_row INT PRIMARY KEY NOT NULL DEFAULT 1 CHECK (only_row = 1),
    -- Since when charging is stopped; NULL while it may run.
    paused_at TEXT CHECK (paused_at GLOB '????-??-??T??:??:??.??????Z'),
    -- Who stopped it.
    paused_by TEXT,
    -- Why.
    paused_reason TEXT,
    CHECK ((paused_at IS NULL) = (paused_by IS NULL) AND (paused_at IS NULL) = (paused_reason IS NULL))
) STRICT;
INSERT INTO controls (only_row) VALUES (1);

-- What is sold. Written by the API service; a changed price applies to renewals planned later.
CREATE TABLE plans (
    -- The API service's name for it.
    id TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    -- For people.
    name TEXT NOT NULL,
    -- The price of one period, in minor units.
    amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    -- ISO 4217, such as KRW.
    currency TEXT NOT NULL,
    -- ISO 8601: P30D, P1M, P1Y.
    interval TEXT NOT NULL,
    -- What its subscribers may use.
    tier TEXT NOT NULL,
    -- The tier after a downgrade.
    fallback_tier TEXT NOT NULL,
    -- What the customer reads on the receipt.
    order_name TEXT NOT NULL,
    -- When the row was written.
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
        CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When the row was last changed.
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
        CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;

-- Who pays. Written by the API service.
CREATE TABLE customers (
    -- The API service's name for the customer.
    id TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    -- Some payment gateways insist on it.
    name TEXT,
    -- Some payment gateways insist on it.
    email TEXT,
    -- Some payment gateways insist on it.
    phone TEXT,
    -- When the row was written.
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
        CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When the row was last changed.
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
        CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;

-- Stored cards and wallets; the newest usable one is charged. A new card is a new row.
CREATE TABLE billing_keys (
    -- Safe to log, unlike the key itself.
    id TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    -- Whose card it is.
    customer_id TEXT NOT NULL REFERENCES customers (id),
    -- Secret: PortOne's token. Never changes within a row.
    billing_key TEXT NOT NULL CHECK (billing_key <> ''),
    -- The channel that it was issued on, if known.
    channel_key TEXT,
    -- The payment gateway behind PortOne, such as TOSSPAYMENTS.
    pg_provider TEXT,
    -- usable, or unusable once the gateway said that it is gone.
    state TEXT NOT NULL DEFAULT 'usable' CHECK (state IN ('usable', 'unusable')),
    -- What the gateway said, or the API service.
    unusable_reason TEXT,
    -- When the row was written; the newest key comes first.
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
        CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When the row was last changed.
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
        CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE INDEX billing_keys_customer ON billing_keys (customer_id, created_at);

-- One customer on one plan. Written by the API service; renewd moves the period and sets tier and status.
CREATE TABLE subscriptions (
    -- The API service's name for it.
    id TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    -- Who pays.
    customer_id TEXT NOT NULL REFERENCES customers (id),
    -- The plan of the current period.
    plan_id TEXT NOT NULL REFERENCES plans (id),
    -- A plan change that takes effect at the next renewal.
    next_plan_id TEXT REFERENCES plans (id),
    -- What may be used now.
    tier TEXT NOT NULL,
    -- active; past_due while a renewal is being collected after the period ended; downgraded.
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'past_due', 'downgraded')),
    -- The period that is paid for: from here
    current_period_start TEXT NOT NULL CHECK (current_period_start GLOB '????-??-??T??:??:??.??????Z'
        AND strftime('%Y-%m-%dT%H:%M:%S', current_period_start) IS substr(current_period_start, 1, 19)),
    -- to here, not included. Moves only with a verified payment.
    current_period_end TEXT NOT NULL CHECK (current_period_end GLOB '????-??-??T??:??:??.??????Z'
        AND strftime('%Y-%m-%dT%H:%M:%S', current_period_end) IS substr(current_period_end, 1, 19)),
    -- The day of the month that monthly periods keep, in the business zone.
    anchor_day INTEGER NOT NULL CHECK (anchor_day BETWEEN 1 AND 31),
    -- Set to cancel: a renewal that is not claimed yet is then never charged.
    cancel_at_period_end INTEGER NOT NULL DEFAULT 0 CHECK (cancel_at_period_end IN (0, 1)),
    -- When the row was written.
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
        CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When the row was last changed.
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
        CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
    CHECK (current_period_start < current_period_end)
) STRICT;
CREATE INDEX subscriptions_due ON subscriptions (current_period_end, id) WHERE status IN ('active', 'past_due');
CREATE INDEX subscriptions_canceled ON subscriptions (id)
    WHERE cancel_at_period_end AND status IN ('active', 'past_due');

-- The move of one subscription from one period to the next: at most one row per subscription and period.
CREATE TABLE renewals (
    -- UUIDv7.
    id TEXT PRIMARY KEY NOT NULL,
    -- Whose period it is.
    subscription_id TEXT NOT NULL REFERENCES subscriptions (id),
    -- Who pays, as it was when planned.
    customer_id TEXT NOT NULL,
    -- The plan that the new period is on.
    plan_id TEXT NOT NULL,
    -- The calendar date, in the business zone, of the run that planned it.
    business_date TEXT NOT NULL CHECK (business_date GLOB '????-??-??'),
    -- The end of the period before.
    period_start TEXT NOT NULL CHECK (period_start GLOB '????-??-??T??:??:??.??????Z'),
    -- The end of the new period.
    period_end TEXT CHECK (period_end GLOB '????-??-??T??:??:??.??????Z'),
    -- The price, frozen when planned, in minor units.
    amount INTEGER CHECK (amount BETWEEN 1 AND 9007199254740991),
    -- ISO 4217.
    currency TEXT,
    -- What the customer reads on the receipt.
    order_name TEXT NOT NULL,
    -- The paymentId at PortOne: derived, the same for every attempt, so that it can succeed once only.
    payment_id TEXT NOT NULL CONSTRAINT renewals_one_payment_id UNIQUE,
    -- How many payment ids before this one were used up.
    series INTEGER NOT NULL DEFAULT 0 CHECK (series >= 0),
    -- due, charging, unknown, paid, failed, canceled, lapsed, review, refunded.
    state TEXT NOT NULL CHECK (state IN
        ('due', 'charging', 'unknown', 'paid', 'failed', 'canceled', 'lapsed', 'review', 'refunded')),
    -- When it may be claimed; NULL while nothing is planned.
    next_attempt_at TEXT CHECK (next_attempt_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When the gateway is asked again about it; NULL for never.
    next_look_up_at TEXT CHECK (next_look_up_at GLOB '????-??-??T??:??:??.??????Z'),
    -- It waits for a new billing key.
    waits_for_key INTEGER NOT NULL DEFAULT 0 CHECK (waits_for_key IN (0, 1)),
    -- How long the customer keeps access while it is collected.
    access_until TEXT NOT NULL CHECK (access_until GLOB '????-??-??T??:??:??.??????Z'),
    -- Attempts that were not given back unsent.
    attempt_count INTEGER NOT NULL DEFAULT 0 CHECK (attempt_count >= 0),
    -- Declines so far.
    decline_count INTEGER NOT NULL DEFAULT 0 CHECK (decline_count >= 0),
    -- Claims since the last settle: a row that kills its worker must not be claimed for ever.
    unsettled_claims INTEGER NOT NULL DEFAULT 0 CHECK (unsettled_claims >= 0),
    -- Goes up with each claim: a settle with an older one is void.
    lease_epoch INTEGER NOT NULL DEFAULT 0 CHECK (lease_epoch >= 0),
    -- Until when its worker holds it. In no index, on purpose.
    lease_until TEXT CHECK (lease_until GLOB '????-??-??T??:??:??.??????Z'),
    -- The ladder counts from here.
    first_declined_at TEXT CHECK (first_declined_at GLOB '????-??-??T??:??:??.??????Z'),
    -- hard, soft, transient, config or unknown.
    last_decline_class TEXT,
    -- Why, in renewd's words.
    last_decline_reason TEXT,
    -- Why, as the payment gateway said it.
    last_pg_code TEXT,
    -- The payment gateway's text.
    last_pg_message TEXT,
    -- Since when its outcome is not known.
    unknown_since TEXT CHECK (unknown_since GLOB '????-??-??T??:??:??.??????Z'),
    -- Look-ups since the outcome became unknown, or since it ended.
    look_ups INTEGER NOT NULL DEFAULT 0 CHECK (look_ups >= 0),
    -- The customer cancelled when it was being charged already: too late for this period.
    canceled_during_charge INTEGER NOT NULL DEFAULT 0 CHECK (canceled_during_charge IN (0, 1)),
    -- Paid, but the subscription was at another period by then: a person must look.
    period_not_moved INTEGER NOT NULL DEFAULT 0 CHECK (period_not_moved IN (0, 1)),
    -- What a person must look at.
    review_reason TEXT,
    -- When the gateway took the money.
    paid_at TEXT CHECK (paid_at GLOB '????-??-??T??:??:??.??????Z'),
    -- The payment gateway's number for it.
    pg_tx_id TEXT,
    -- When it left the open states.
    ended_at TEXT CHECK (ended_at GLOB '????-??-??T??:??:??.??????Z'),
    -- The run that planned it.
    planned_by TEXT NOT NULL,
    -- When it was planned.
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When it last changed.
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
    CONSTRAINT renewals_one_per_period UNIQUE (subscription_id, period_start),
    CONSTRAINT renewals_complete CHECK (state IN ('review', 'canceled', 'lapsed')
        OR (amount IS NOT NULL AND currency IS NOT NULL AND period_end IS NOT NULL)),
    CONSTRAINT renewals_leased CHECK ((state = 'charging') = (lease_until IS NOT NULL)),
    CONSTRAINT renewals_period CHECK (period_end > period_start)
) STRICT;
CREATE INDEX renewals_due ON renewals (next_attempt_at, id) WHERE state = 'due' AND next_attempt_at IS NOT NULL;
CREATE INDEX renewals_look_up ON renewals (next_look_up_at, id) WHERE next_look_up_at IS NOT NULL;
CREATE INDEX renewals_waiting ON renewals (id) WHERE state IN ('due', 'canceled');

-- One try at charging a renewal, committed before its request. At most one of a renewal is open.
CREATE TABLE attempts (
    -- UUIDv7.
    id TEXT PRIMARY KEY NOT NULL,
    -- What it charges.
    renewal_id TEXT NOT NULL REFERENCES renewals (id),
    -- The run that claimed it.
    run_id TEXT NOT NULL,
    -- Counts from 1 within the renewal.
    number INTEGER NOT NULL CHECK (number >= 1),
    -- The paymentId that it was sent under.
    payment_id TEXT NOT NULL,
    -- The series of that paymentId.
    series INTEGER NOT NULL,
    -- Sent as Idempotency-Key; a repeat of the same attempt has the same one.
    idempotency_key TEXT NOT NULL CONSTRAINT attempts_one_idempotency_key UNIQUE,
    -- Which billing key was charged.
    billing_key_id TEXT NOT NULL,
    -- On which channel, if it was named.
    channel_key TEXT,
    -- The payment gateway behind it, once known.
    pg_provider TEXT,
    -- The frozen body without the billing key: a repeat sends the same bytes.
    request_body TEXT NOT NULL,
    -- SHA-256 of request_body.
    request_hash TEXT NOT NULL,
    -- The version of the charging protocol that wrote it.
    protocol_version INTEGER NOT NULL,
    -- open, paid, declined, refused (our configuration), not_charged.
    state TEXT NOT NULL CHECK (state IN ('open', 'paid', 'declined', 'refused', 'not_charged')),
    -- When it was committed.
    started_at TEXT NOT NULL CHECK (started_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When its outcome was recorded.
    settled_at TEXT CHECK (settled_at GLOB '????-??-??T??:??:??.??????Z'),
    -- The lease that recorded it: a repeat of the same settle is recognized by it.
    settled_epoch INTEGER,
    -- PortOne's transaction.
    transaction_id TEXT,
    -- The payment gateway's code.
    pg_code TEXT,
    -- The payment gateway's text.
    pg_message TEXT,
    -- hard, soft, transient, config or unknown.
    decline_class TEXT,
    -- Why, in renewd's words.
    decline_reason TEXT,
    -- What was learned, for the timeline.
    note TEXT,
    CONSTRAINT attempts_one_number UNIQUE (renewal_id, number),
    CONSTRAINT attempts_settled CHECK ((state = 'open') = (settled_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX attempts_one_open ON attempts (renewal_id) WHERE state = 'open';

-- The money: one row per payment that the gateway took for us. Rows are only ever added.
CREATE TABLE payments (
    -- The paymentId at PortOne.
    payment_id TEXT PRIMARY KEY NOT NULL,
    -- What it paid for, if known.
    renewal_id TEXT,
    -- PortOne's word when it was recorded.
    status TEXT NOT NULL,
    -- amount.total, in minor units.
    amount INTEGER,
    -- The sum that had been given back by then, in minor units.
    cancelled_amount INTEGER NOT NULL,
    -- ISO 4217.
    currency TEXT,
    -- PortOne's transaction.
    transaction_id TEXT,
    -- The payment gateway's number.
    pg_tx_id TEXT,
    -- The payment gateway.
    pg_provider TEXT,
    -- LIVE or TEST.
    channel_type TEXT,
    -- When the money was taken.
    paid_at TEXT CHECK (paid_at GLOB '????-??-??T??:??:??.??????Z'),
    -- It matched the order in everything.
    verified INTEGER NOT NULL CHECK (verified IN (0, 1)),
    -- When the row was written.
    recorded_at TEXT NOT NULL CHECK (recorded_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE INDEX payments_renewal ON payments (renewal_id);

-- Payments as somebody saw them without the right to settle: a late worker, a webhook, a listing. Only ever added.
CREATE TABLE observations (
    -- Counts up.
    id INTEGER PRIMARY KEY,
    -- The paymentId that was seen.
    payment_id TEXT NOT NULL,
    -- What it belongs to, if known.
    renewal_id TEXT,
    -- PortOne's word for it.
    status TEXT NOT NULL,
    -- amount.total, in minor units.
    amount INTEGER,
    -- The sum given back, in minor units.
    cancelled_amount INTEGER NOT NULL,
    -- ISO 4217.
    currency TEXT,
    -- PortOne's transaction.
    transaction_id TEXT,
    -- The payment gateway's number.
    pg_tx_id TEXT,
    -- The payment gateway.
    pg_provider TEXT,
    -- LIVE or TEST.
    channel_type TEXT,
    -- When the money was taken.
    paid_at TEXT CHECK (paid_at GLOB '????-??-??T??:??:??.??????Z'),
    -- It matched the order in everything.
    verified INTEGER NOT NULL CHECK (verified IN (0, 1)),
    -- Who saw it, or why it was not settled.
    seen_by TEXT NOT NULL,
    -- When it was first seen like this.
    observed_at TEXT NOT NULL CHECK (observed_at GLOB '????-??-??T??:??:??.??????Z'),
    CONSTRAINT observations_once UNIQUE (payment_id, status, cancelled_amount, verified, seen_by)
) STRICT;

-- Payment ids of earlier series: given up, but looked up for a while, because money can turn up late.
CREATE TABLE retired_payments (
    -- The paymentId that was given up.
    payment_id TEXT PRIMARY KEY NOT NULL,
    -- Whose it was.
    renewal_id TEXT NOT NULL,
    -- Its series.
    series INTEGER NOT NULL,
    -- When it was given up.
    retired_at TEXT NOT NULL CHECK (retired_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When the gateway is asked again; NULL for never.
    next_look_up_at TEXT CHECK (next_look_up_at GLOB '????-??-??T??:??:??.??????Z'),
    -- Look-ups since it was given up.
    look_ups INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX retired_payments_look_up ON retired_payments (next_look_up_at) WHERE next_look_up_at IS NOT NULL;

-- What happened and somebody may want to be told: written with the change itself, delivered later.
CREATE TABLE events (
    -- UUIDv7.
    id TEXT PRIMARY KEY NOT NULL,
    -- Such as renewal.paid.
    kind TEXT NOT NULL,
    -- About whom.
    subscription_id TEXT,
    -- About which renewal.
    renewal_id TEXT,
    -- About which attempt.
    attempt_id TEXT,
    -- The same thing is told once, however often it is found out.
    dedupe TEXT NOT NULL CONSTRAINT events_told_once UNIQUE,
    -- What the receiver needs. Never a secret.
    payload TEXT NOT NULL CHECK (json_valid(payload)),
    -- When it happened.
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
    -- pending, delivered, or dead after too many tries.
    delivery_state TEXT NOT NULL DEFAULT 'pending' CHECK (delivery_state IN ('pending', 'delivered', 'dead')),
    -- Tries so far.
    deliveries INTEGER NOT NULL DEFAULT 0,
    -- When it is tried again.
    next_delivery_at TEXT CHECK (next_delivery_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE INDEX events_subscription ON events (subscription_id, id);
CREATE INDEX events_pending ON events (id) WHERE delivery_state = 'pending';

-- One execution of the worker.
CREATE TABLE runs (
    -- UUIDv7.
    id TEXT PRIMARY KEY NOT NULL,
    -- cli, schedule, demo.
    trigger TEXT NOT NULL,
    -- For which calendar date in the business zone.
    business_date TEXT NOT NULL CHECK (business_date GLOB '????-??-??'),
    -- The business zone.
    zone TEXT NOT NULL,
    -- running, completed, failed, interrupted.
    status TEXT NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'interrupted')),
    -- Who started it, and where.
    actor TEXT NOT NULL,
    -- What it did; {} while it runs.
    figures TEXT NOT NULL CHECK (json_valid(figures)),
    -- Why it failed.
    error TEXT,
    -- When it was opened.
    started_at TEXT NOT NULL CHECK (started_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When it was closed.
    finished_at TEXT CHECK (finished_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE INDEX runs_latest ON runs (started_at);

-- Money is only ever added, and a paid renewal is never made due by hand.

CREATE TRIGGER payments_are_not_changed BEFORE UPDATE ON payments
BEGIN
    SELECT raise(ABORT, 'payments are only ever added');
END;
CREATE TRIGGER payments_are_not_deleted BEFORE DELETE ON payments
BEGIN
    SELECT raise(ABORT, 'payments are only ever added');
END;
CREATE TRIGGER renewals_stay_paid BEFORE UPDATE OF state ON renewals
WHEN OLD.state IN ('paid', 'refunded') AND NEW.state <> OLD.state AND NOT (OLD.state = 'paid' AND NEW.state = 'refunded')
BEGIN
    SELECT raise(ABORT, 'a paid or refunded renewal is never charged again');
END;
CREATE TRIGGER attempts_stay_closed BEFORE UPDATE ON attempts
WHEN OLD.state <> 'open'
BEGIN
    SELECT raise(ABORT, 'an attempt that is closed does not change');
END;
CREATE TRIGGER attempts_stay_frozen
BEFORE UPDATE OF payment_id, number, idempotency_key, billing_key_id, request_body ON attempts
BEGIN
    SELECT raise(ABORT, 'what an attempt sends is frozen');
END;
CREATE TRIGGER billing_keys_stay_same BEFORE UPDATE OF billing_key ON billing_keys
WHEN OLD.billing_key <> NEW.billing_key
BEGIN
    SELECT raise(ABORT, 'a new billing key is a new row of billing_keys');
END;
CREATE TRIGGER billing_keys_keep_charged BEFORE DELETE ON billing_keys
WHEN EXISTS (SELECT 1 FROM attempts WHERE state = 'open' AND billing_key_id = OLD.id)
BEGIN
    SELECT raise(ABORT, 'this billing key is being charged: set its state to unusable instead');
END;

-- What the API service reads.

-- One row per renewal: what became of it.
CREATE VIEW renewal_results AS
SELECT subscription_id, id AS renewal_id, period_start, period_end, amount, currency, state, payment_id, pg_tx_id,
    paid_at, attempt_count, last_decline_class, last_decline_reason, last_pg_code, last_pg_message, next_attempt_at,
    updated_at
FROM renewals;

-- One row per subscription: what the API service should enforce. access_until includes the grace.
CREATE VIEW subscription_access AS
SELECT s.id AS subscription_id, s.customer_id, s.plan_id, s.tier, s.status, s.current_period_end,
    CASE WHEN r.state IN ('due', 'charging', 'unknown', 'review')
        THEN max(s.current_period_end, r.access_until) ELSE s.current_period_end END AS access_until,
    s.cancel_at_period_end,
    CASE
        WHEN EXISTS (SELECT 1 FROM billing_keys k WHERE k.customer_id = s.customer_id AND k.state = 'usable') THEN 'usable'
        WHEN EXISTS (SELECT 1 FROM billing_keys k WHERE k.customer_id = s.customer_id) THEN 'unusable'
        ELSE 'missing'
    END AS billing_key_state
FROM subscriptions s
LEFT JOIN renewals r ON r.subscription_id = s.id AND r.period_start = s.current_period_end;
