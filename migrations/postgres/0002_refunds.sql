-- Money that is given back by renewd itself: wanted in the transaction that found it, asked for until it is back.

CREATE TABLE refunds (
    payment_id text PRIMARY KEY,
    renewal_id uuid NOT NULL REFERENCES renewals (id),
    subscription_id text NOT NULL,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    currency text NOT NULL,
    reason text NOT NULL CHECK (reason IN ('late', 'canceled_during_charge')),
    idempotency_key text NOT NULL CONSTRAINT refunds_one_idempotency_key UNIQUE,
    state text NOT NULL CHECK (state IN ('wanted', 'requested', 'done', 'failed')),
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    next_try_at timestamptz,
    note text,
    wanted_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT refunds_tried_while_open CHECK ((state IN ('wanted', 'requested')) = (next_try_at IS NOT NULL))
);
CREATE INDEX refunds_next_try ON refunds (next_try_at, payment_id) WHERE next_try_at IS NOT NULL;
CREATE INDEX refunds_renewal ON refunds (renewal_id);

COMMENT ON TABLE refunds IS 'Money that renewd gives back by itself: one row per payment, wanted in the transaction that recorded the payment.';
COMMENT ON COLUMN refunds.payment_id IS 'The paymentId at PortOne that is cancelled.';
COMMENT ON COLUMN refunds.renewal_id IS 'What it had paid for. A renewal with a refund is never charged again.';
COMMENT ON COLUMN refunds.subscription_id IS 'Whose money it is.';
COMMENT ON COLUMN refunds.amount IS 'All that was taken, in minor units.';
COMMENT ON COLUMN refunds.currency IS 'ISO 4217.';
COMMENT ON COLUMN refunds.reason IS 'late (turned up when nobody wanted the period any more) or canceled_during_charge.';
COMMENT ON COLUMN refunds.idempotency_key IS 'Sent as Idempotency-Key with every try: the same for as long as the refund lives.';
COMMENT ON COLUMN refunds.state IS 'wanted, requested (asked for, not seen to be back), done, failed (a person must look).';
COMMENT ON COLUMN refunds.tries IS 'How often it was asked for.';
COMMENT ON COLUMN refunds.next_try_at IS 'When it is asked for again; NULL once it is over.';
COMMENT ON COLUMN refunds.note IS 'What the gateway said last.';
COMMENT ON COLUMN refunds.wanted_at IS 'When it was decided.';
COMMENT ON COLUMN refunds.updated_at IS 'When it last changed.';

CREATE TRIGGER refunds_stay_done BEFORE UPDATE ON refunds
    FOR EACH ROW WHEN (OLD.state = 'done')
    EXECUTE FUNCTION renewd_refuse('a refund that is done does not change');
CREATE TRIGGER refunds_stay_fixed BEFORE UPDATE OF payment_id, renewal_id, amount, currency, idempotency_key ON refunds
    FOR EACH ROW EXECUTE FUNCTION renewd_refuse('what a refund asks for is fixed');
