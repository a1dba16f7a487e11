-- Money that renewd gives back by itself: one row per payment, wanted in the transaction that recorded the payment.
CREATE TABLE refunds (
    -- The paymentId at PortOne that is cancelled.
    payment_id TEXT PRIMARY KEY NOT NULL,
    -- What it had paid for. A renewal with a refund is never charged again.
    renewal_id TEXT NOT NULL REFERENCES renewals (id),
    -- Whose money it is.
    subscription_id TEXT NOT NULL,
    -- All that was taken, in minor units.
    amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    -- ISO 4217.
    currency TEXT NOT NULL,
    -- late (turned up when nobody wanted the period any more) or canceled_during_charge.
    reason TEXT NOT NULL CHECK (reason IN ('late', 'canceled_during_charge')),
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
    CONSTRAINT refunds_tried_while_open CHECK ((state IN ('wanted', 'requested')) = (next_try_at IS NOT NULL))
) STRICT;
CREATE INDEX refunds_next_try ON refunds (next_try_at, payment_id) WHERE next_try_at IS NOT NULL;
CREATE INDEX refunds_renewal ON refunds (renewal_id);

CREATE TRIGGER refunds_stay_done BEFORE UPDATE ON refunds
WHEN OLD.state = 'done'
BEGIN
    SELECT raise(ABORT, 'a refund that is done does not change');
END;
CREATE TRIGGER refunds_stay_fixed BEFORE UPDATE OF payment_id, renewal_id, amount, currency, idempotency_key ON refunds
BEGIN
    SELECT raise(ABORT, 'what a refund asks for is fixed');
END;
