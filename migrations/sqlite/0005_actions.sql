-- What people did by hand, written in the transaction that did it. Rows are only ever added.
CREATE TABLE actions (
    -- UUIDv7.
    id TEXT PRIMARY KEY NOT NULL,
    -- The command: pause, resume, retry, refund, resolve, reconcile, override_brake, events_drop, events_replay.
    kind TEXT NOT NULL,
    -- Who: the user of the process, unless another name was given.
    actor TEXT NOT NULL CHECK (actor <> ''),
    -- Why, in their words.
    reason TEXT,
    -- What they saw that made them sure, in their words.
    evidence TEXT,
    -- About whom, if about one.
    subscription_id TEXT,
    -- About which renewal, if about one.
    renewal_id TEXT,
    -- About which payment, if about one.
    payment_id TEXT,
    -- About which run, if about one.
    run_id TEXT,
    -- What exactly was asked for. Never a secret or a billing key.
    details TEXT NOT NULL CHECK (json_valid(details)),
    -- When.
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE INDEX actions_subscription ON actions (subscription_id, created_at) WHERE subscription_id IS NOT NULL;
CREATE INDEX actions_latest ON actions (created_at);

CREATE TRIGGER actions_are_not_changed BEFORE UPDATE ON actions
BEGIN
    SELECT raise(ABORT, 'what people did is only ever added to');
END;
CREATE TRIGGER actions_are_not_deleted BEFORE DELETE ON actions
BEGIN
    SELECT raise(ABORT, 'what people did is only ever added to');
END;

-- Until then a person's command to charge it stands over its ladder, its grace and the charging window.
ALTER TABLE renewals ADD COLUMN commanded_until TEXT CHECK (commanded_until GLOB '????-??-??T??:??:??.??????Z');

-- A payment can be given back in parts now: SQLite changes a primary key by making the table anew.
CREATE TABLE refunds_in_parts (
    -- The paymentId at PortOne that is cancelled.
    payment_id TEXT NOT NULL,
    -- What it had paid for. A renewal with a refund is never charged again.
    renewal_id TEXT NOT NULL REFERENCES renewals (id),
    -- Whose money it is.
    subscription_id TEXT NOT NULL,
    -- What is given back, in minor units.
    amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    -- ISO 4217.
    currency TEXT NOT NULL,
    -- late (turned up when nobody wanted the period any more), canceled_during_charge, or by_hand.
    reason TEXT NOT NULL CHECK (reason IN ('late', 'canceled_during_charge', 'by_hand')),
    -- Sent as Idempotency-Key with every try: the same for as long as the refund lives.
    idempotency_key TEXT NOT NULL CONSTRAINT refunds_one_idempotency_key UNIQUE,
    -- wanted, requested (asked for, not seen to be back), done, failed (a person must look).
    state TEXT NOT NULL CHECK (state IN ('wanted', 'requested', 'done', 'failed')),
    -- How often it was asked for.
    tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    -- When it is asked for again; NULL once it is over.
    next_try_at TEXT CHECK (next_try_at GLOB '????-??-??T??:??:??.??????Z'),
    -- What the gateway said last.
    note TEXT,
    -- When it was decided.
    wanted_at TEXT NOT NULL CHECK (wanted_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When it last changed.
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
    -- Counts from 1 within the payment.
    number INTEGER NOT NULL DEFAULT 1 CHECK (number >= 1),
    -- Tells a person's refunds of one payment apart: the same one is given back once.
    reference TEXT NOT NULL DEFAULT '',
    -- What the gateway showed as given back when this was decided, in minor units.
    back_before INTEGER NOT NULL DEFAULT 0 CHECK (back_before >= 0),
    -- What of the payment stays after this, in minor units.
    left_after INTEGER NOT NULL DEFAULT 0 CHECK (left_after >= 0),
    -- The reason that the gateway is told; NULL for the words of the rule.
    told TEXT,
    -- With this refund no money of the renewal stays: it becomes refunded.
    ends_renewal INTEGER NOT NULL DEFAULT 1 CHECK (ends_renewal IN (0, 1)),
    PRIMARY KEY (payment_id, number),
    CONSTRAINT refunds_one_reference UNIQUE (payment_id, reference),
    CONSTRAINT refunds_tried_while_open CHECK ((state IN ('wanted', 'requested')) = (next_try_at IS NOT NULL))
) STRICT;
INSERT INTO refunds_in_parts (payment_id, renewal_id, subscription_id, amount, currency, reason, idempotency_key, state,
    tries, next_try_at, note, wanted_at, updated_at)
SELECT payment_id, renewal_id, subscription_id, amount, currency, reason, idempotency_key, state, tries, next_try_at,
    note, wanted_at, updated_at
FROM refunds;
DROP TABLE refunds;
ALTER TABLE refunds_in_parts RENAME TO refunds;
CREATE INDEX refunds_next_try ON refunds (next_try_at, payment_id) WHERE next_try_at IS NOT NULL;
CREATE INDEX refunds_renewal ON refunds (renewal_id);
CREATE UNIQUE INDEX refunds_one_open ON refunds (payment_id) WHERE state IN ('wanted', 'requested');

CREATE TRIGGER refunds_stay_done BEFORE UPDATE ON refunds
WHEN OLD.state = 'done'
BEGIN
    SELECT raise(ABORT, 'a refund that is done does not change');
END;
CREATE TRIGGER refunds_stay_fixed BEFORE UPDATE OF payment_id, number, renewal_id, amount, currency, idempotency_key,
    reference, back_before, left_after, told, ends_renewal ON refunds
BEGIN
    SELECT raise(ABORT, 'what a refund asks for is fixed');
END;
