-- What people do by hand: who, why and when; refunds that a person asks for; a renewal that a person wants charged now.

CREATE TABLE actions (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    reason text,
    evidence text,
    subscription_id text,
    renewal_id uuid,
    payment_id text,
    run_id uuid,
    details jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX actions_subscription ON actions (subscription_id, created_at) WHERE subscription_id IS NOT NULL;
CREATE INDEX actions_latest ON actions (created_at);

COMMENT ON TABLE actions IS 'What people did by hand, written in the transaction that did it. Rows are only ever added.';
COMMENT ON COLUMN actions.id IS 'UUIDv7.';
COMMENT ON COLUMN actions.kind IS 'The command: pause, resume, retry, refund, resolve, reconcile, override_brake, events_drop, events_replay.';
COMMENT ON COLUMN actions.actor IS 'Who: the user of the process, unless another name was given.';
COMMENT ON COLUMN actions.reason IS 'Why, in their words.';
COMMENT ON COLUMN actions.evidence IS 'What they saw that made them sure, in their words.';
COMMENT ON COLUMN actions.subscription_id IS 'About whom, if about one.';
COMMENT ON COLUMN actions.renewal_id IS 'About which renewal, if about one.';
COMMENT ON COLUMN actions.payment_id IS 'About which payment, if about one.';
COMMENT ON COLUMN actions.run_id IS 'About which run, if about one.';
COMMENT ON COLUMN actions.details IS 'What exactly was asked for. Never a secret or a billing key.';
COMMENT ON COLUMN actions.created_at IS 'When.';

CREATE TRIGGER actions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON actions
    FOR EACH STATEMENT EXECUTE FUNCTION renewd_refuse('what people did is only ever added to');

ALTER TABLE renewals ADD COLUMN commanded_until timestamptz;
COMMENT ON COLUMN renewals.commanded_until IS 'Until then a person''s command to charge it stands over its ladder, its grace and the charging window.';

-- A payment can be given back in parts now. One refund of it is under way at a time, and each is told by its reference.
DROP TRIGGER refunds_stay_fixed ON refunds;
ALTER TABLE refunds
    ADD COLUMN number bigint NOT NULL DEFAULT 1 CHECK (number >= 1),
    ADD COLUMN reference text NOT NULL DEFAULT '',
    ADD COLUMN back_before bigint NOT NULL DEFAULT 0 CHECK (back_before >= 0),
    ADD COLUMN left_after bigint NOT NULL DEFAULT 0 CHECK (left_after >= 0),
    ADD COLUMN told text,
    ADD COLUMN ends_renewal boolean NOT NULL DEFAULT true,
    DROP CONSTRAINT refunds_reason_check,
    ADD CONSTRAINT refunds_reason_check CHECK (reason IN ('late', 'canceled_during_charge', 'by_hand')),
    DROP CONSTRAINT refunds_pkey,
    ADD CONSTRAINT refunds_pkey PRIMARY KEY (payment_id, number),
    ADD CONSTRAINT refunds_one_reference UNIQUE (payment_id, reference);
CREATE UNIQUE INDEX refunds_one_open ON refunds (payment_id) WHERE state IN ('wanted', 'requested');
COMMENT ON TABLE refunds IS 'Money that is given back: by rule in the transaction that recorded the payment, or because a person said so.';
COMMENT ON COLUMN refunds.amount IS 'What is given back, in minor units.';
COMMENT ON COLUMN refunds.reason IS 'late (turned up when nobody wanted the period any more), canceled_during_charge, or by_hand.';
COMMENT ON COLUMN refunds.number IS 'Counts from 1 within the payment.';
COMMENT ON COLUMN refunds.reference IS 'Tells a person''s refunds of one payment apart: the same one is given back once.';
COMMENT ON COLUMN refunds.back_before IS 'What the gateway showed as given back when this was decided, in minor units.';
COMMENT ON COLUMN refunds.left_after IS 'What of the payment stays after this, in minor units.';
COMMENT ON COLUMN refunds.told IS 'The reason that the gateway is told; NULL for the words of the rule.';
COMMENT ON COLUMN refunds.ends_renewal IS 'With this refund no money of the renewal stays: it becomes refunded.';
CREATE TRIGGER refunds_stay_fixed BEFORE UPDATE OF payment_id, number, renewal_id, amount, currency, idempotency_key,
    reference, back_before, left_after, told, ends_renewal ON refunds
    FOR EACH ROW EXECUTE FUNCTION renewd_refuse('what a refund asks for is fixed');
