-- What the gateway told by itself, until somebody has looked.

CREATE TABLE webhooks (
    id text PRIMARY KEY CHECK (id <> '' AND length(id) <= 300),
    kind text NOT NULL CHECK (kind IN
        ('paid', 'failed', 'given_back', 'disputed', 'dispute_resolved', 'key_issued', 'key_deleted')),
    payment_id text CHECK (payment_id <> ''),
    billing_key_id text REFERENCES billing_keys (id) ON DELETE CASCADE,
    happened_at timestamptz,
    received_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'given_up')),
    tries bigint NOT NULL DEFAULT 0 CHECK (tries >= 0),
    next_try_at timestamptz,
    note text,
    CONSTRAINT webhooks_one_subject CHECK ((payment_id IS NULL) <> (billing_key_id IS NULL)),
    CONSTRAINT webhooks_waits CHECK ((state = 'pending') = (next_try_at IS NOT NULL))
);
CREATE INDEX webhooks_pending ON webhooks (next_try_at, id) WHERE state = 'pending';
CREATE INDEX webhooks_over ON webhooks (received_at, id) WHERE state <> 'pending';
CREATE INDEX webhooks_of_key ON webhooks (billing_key_id) WHERE billing_key_id IS NOT NULL;

COMMENT ON TABLE webhooks IS 'Messages of the gateway that make us look; one row each, kept for a week so that a repeat is known. Their bodies are not kept.';
COMMENT ON COLUMN webhooks.id IS 'The header webhook-id: the same on every delivery of one message.';
COMMENT ON COLUMN webhooks.kind IS 'What it says happened.';
COMMENT ON COLUMN webhooks.payment_id IS 'What to look up: this payment,';
COMMENT ON COLUMN webhooks.billing_key_id IS 'or this billing key.';
COMMENT ON COLUMN webhooks.happened_at IS 'When it happened, as the gateway says.';
COMMENT ON COLUMN webhooks.received_at IS 'When it came first.';
COMMENT ON COLUMN webhooks.state IS 'pending until it was looked into: done; or given_up after a day without an answer.';
COMMENT ON COLUMN webhooks.tries IS 'How often it was claimed to be looked into.';
COMMENT ON COLUMN webhooks.next_try_at IS 'When it is looked into next; while it is claimed, when the claim ends.';
COMMENT ON COLUMN webhooks.note IS 'What became of it.';

-- By what a webhook names: the key itself, and from it those who pay with it.
CREATE INDEX billing_keys_key ON billing_keys (billing_key);
CREATE INDEX subscriptions_customer ON subscriptions (customer_id);
