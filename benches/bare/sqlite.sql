-- What the work cannot do without, and nothing else.
CREATE TABLE subscriptions (
    id text PRIMARY KEY,
    billing_key text NOT NULL,
    amount integer NOT NULL,
    period_end text NOT NULL
) STRICT;
CREATE TABLE renewals (
    id integer PRIMARY KEY,
    subscription_id text NOT NULL REFERENCES subscriptions (id),
    period_start text NOT NULL,
    payment_id text NOT NULL UNIQUE,
    state text NOT NULL,
    UNIQUE (subscription_id, period_start)
) STRICT;
CREATE INDEX renewals_due ON renewals (id) WHERE state = 'due';
CREATE TABLE attempts (
    renewal_id integer NOT NULL REFERENCES renewals (id),
    number integer NOT NULL,
    idempotency_key text NOT NULL UNIQUE,
    request_body text NOT NULL,
    state text NOT NULL,
    transaction_id text,
    started_at text NOT NULL,
    settled_at text,
    PRIMARY KEY (renewal_id, number)
) STRICT;
CREATE TABLE events (
    id integer PRIMARY KEY,
    kind text NOT NULL,
    renewal_id integer NOT NULL,
    payload text NOT NULL,
    created_at text NOT NULL
) STRICT;
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)
INSERT INTO subscriptions SELECT 'sub_' || n, 'billing-key-' || n, 55000, '2026-02-28T00:00:00Z' FROM numbers;
INSERT INTO renewals
SELECT rowid, id, period_end, 'rn-bare-' || lower(hex(id)), 'due' FROM subscriptions;
