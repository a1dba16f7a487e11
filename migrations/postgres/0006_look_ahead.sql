-- What is known of renewals before their day; and what a decline's class rests on.

CREATE TABLE look_aheads (
    subscription_id text NOT NULL REFERENCES subscriptions (id),
    period_start timestamptz NOT NULL,
    looked_at timestamptz,
    key_state text CHECK (key_state IN ('issued', 'gone', 'none')),
    schedule_id text,
    noticed_at timestamptz,
    noticed_amount bigint,
    noticed_currency text,
    CONSTRAINT look_aheads_one_per_period PRIMARY KEY (subscription_id, period_start),
    CONSTRAINT look_aheads_looked CHECK ((looked_at IS NULL) = (key_state IS NULL)),
    CONSTRAINT look_aheads_noticed CHECK ((noticed_at IS NULL) = (noticed_amount IS NULL)
        AND (noticed_at IS NULL) = (noticed_currency IS NULL))
);

COMMENT ON TABLE look_aheads IS 'One row per subscription and period that is looked at or announced before it begins.';
COMMENT ON COLUMN look_aheads.subscription_id IS 'Whose period it is.';
COMMENT ON COLUMN look_aheads.period_start IS 'Where the period starts that will be paid for: the end of the one before.';
COMMENT ON COLUMN look_aheads.looked_at IS 'When the gateway last answered about it.';
COMMENT ON COLUMN look_aheads.key_state IS 'Whether there is a billing key to charge: issued, gone (the gateway does not know it any more), none.';
COMMENT ON COLUMN look_aheads.schedule_id IS 'A payment schedule at the gateway that would charge the same billing key.';
COMMENT ON COLUMN look_aheads.noticed_at IS 'When renewal.upcoming was last told.';
COMMENT ON COLUMN look_aheads.noticed_amount IS 'The price that was told then, in minor units.';
COMMENT ON COLUMN look_aheads.noticed_currency IS 'ISO 4217.';

ALTER TABLE attempts ADD COLUMN decline_matched_by text
    CHECK (decline_matched_by IN ('code', 'alias', 'message', 'nothing'));
COMMENT ON COLUMN attempts.decline_matched_by IS 'What the class rests on: code, alias, message, or nothing. What is not code or alias is unseen: somebody should look.';
CREATE INDEX attempts_unseen ON attempts (settled_at) WHERE decline_matched_by IN ('message', 'nothing');
CREATE INDEX attempts_key ON attempts (billing_key_id, started_at);
