-- What the work cannot do without, and nothing else: whoever is measured against renewd works on these.
CREATE TABLE subscriptions (
    id text PRIMARY KEY,
    billing_key text NOT NULL,
    amount bigint NOT NULL,
    period_end timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE TABLE renewals (
    id bigint PRIMARY KEY,
    subscription_id text NOT NULL REFERENCES subscriptions (id),
    period_start timestamptz NOT NULL,
    payment_id text NOT NULL UNIQUE,
    state text NOT NULL,
    UNIQUE (subscription_id, period_start)
) WITH (fillfactor = 85);
CREATE INDEX renewals_due ON renewals (id) WHERE state = 'due';
CREATE TABLE attempts (
    renewal_id bigint NOT NULL REFERENCES renewals (id),
    number bigint NOT NULL,
    idempotency_key text NOT NULL UNIQUE,
    request_body text NOT NULL,
    state text NOT NULL,
    transaction_id text,
    started_at timestamptz NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (renewal_id, number)
) WITH (fillfactor = 85);
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    renewal_id bigint NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
INSERT INTO subscriptions
SELECT 'sub_' || n, 'billing-key-' || n, 55000, now() FROM generate_series(1, $1) n;
INSERT INTO renewals
SELECT n, 'sub_' || n, s.period_end, 'rn-bare-' || md5(n::text), 'due'
FROM generate_series(1, $1) n JOIN subscriptions s ON s.id = 'sub_' || n;
