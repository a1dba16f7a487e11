-- What is known of renewals before their day; and what a decline's class rests on.

-- One row per subscription and period that is looked at or announced before it begins.
CREATE TABLE look_aheads (
    -- Whose period it is.
    subscription_id TEXT NOT NULL REFERENCES subscriptions (id),
    -- Where the period starts that will be paid for: the end of the one before.
    period_start TEXT NOT NULL CHECK (period_start GLOB '????-??-??T??:??:??.??????Z'),
    -- When the gateway last answered about it.
    looked_at TEXT CHECK (looked_at GLOB '????-??-??T??:??:??.??????Z'),
    -- Whether there is a billing key to charge: issued, gone (the gateway does not know it any more), none.
    key_state TEXT CHECK (key_state IN ('issued', 'gone', 'none')),
    -- A payment schedule at the gateway that would charge the same billing key.
    schedule_id TEXT,
    -- When renewal.upcoming was last told.
    noticed_at TEXT CHECK (noticed_at GLOB '????-??-??T??:??:??.??????Z'),
    -- The price that was told then, in minor units.
    noticed_amount INTEGER,
    -- ISO 4217.
    noticed_currency TEXT,
    CONSTRAINT look_aheads_one_per_period PRIMARY KEY (subscription_id, period_start),
    CONSTRAINT look_aheads_looked CHECK ((looked_at IS NULL) = (key_state IS NULL)),
    CONSTRAINT look_aheads_noticed CHECK ((noticed_at IS NULL) = (noticed_amount IS NULL)
        AND (noticed_at IS NULL) = (noticed_currency IS NULL))
) STRICT;

-- What the class rests on: code, alias, message, or nothing. What is not code or alias is unseen: somebody should look.
ALTER TABLE attempts ADD COLUMN decline_matched_by TEXT
    CHECK (decline_matched_by IN ('code', 'alias', 'message', 'nothing'));
CREATE INDEX attempts_unseen ON attempts (settled_at) WHERE decline_matched_by IN ('message', 'nothing');
CREATE INDEX attempts_key ON attempts (billing_key_id, started_at);
