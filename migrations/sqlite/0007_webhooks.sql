-- What the gateway told by itself, until somebody has looked.

-- Messages of the gateway that make us look; one row each, kept for a week so that a repeat is known. Their bodies are
-- not kept.
CREATE TABLE webhooks (
    -- The header webhook-id: the same on every delivery of one message.
    id TEXT PRIMARY KEY NOT NULL CHECK (id <> '' AND length(id) <= 300),
    -- What it says happened.
    kind TEXT NOT NULL CHECK (kind IN
        ('paid', 'failed', 'given_back', 'disputed', 'dispute_resolved', 'key_issued', 'key_deleted')),
    -- What to look up: this payment,
    payment_id TEXT CHECK (payment_id <> ''),
    -- or this billing key.
    billing_key_id TEXT REFERENCES billing_keys (id) ON DELETE CASCADE,
    -- When it happened, as the gateway says.
    happened_at TEXT CHECK (happened_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When it came first.
    received_at TEXT NOT NULL CHECK (received_at GLOB '????-??-??T??:??:??.??????Z'),
    -- pending until it was looked into: done; or given_up after a day without an answer.
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'given_up')),
    -- How often it was claimed to be looked into.
    tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    -- When it is looked into next; while it is claimed, when the claim ends.
    next_try_at TEXT CHECK (next_try_at GLOB '????-??-??T??:??:??.??????Z'),
    -- What became of it.
    note TEXT,
    CONSTRAINT webhooks_one_subject CHECK ((payment_id IS NULL) <> (billing_key_id IS NULL)),
    CONSTRAINT webhooks_waits CHECK ((state = 'pending') = (next_try_at IS NOT NULL))
) STRICT;
CREATE INDEX webhooks_pending ON webhooks (next_try_at, id) WHERE state = 'pending';
CREATE INDEX webhooks_over ON webhooks (received_at, id) WHERE state <> 'pending';
CREATE INDEX webhooks_of_key ON webhooks (billing_key_id) WHERE billing_key_id IS NOT NULL;

-- By what a webhook names: the key itself, and from it those who pay with it.
CREATE INDEX billing_keys_key ON billing_keys (billing_key);
CREATE INDEX subscriptions_customer ON subscriptions (customer_id);
