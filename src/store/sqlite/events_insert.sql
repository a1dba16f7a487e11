-- Events, each told once.
-- $1 rows
INSERT INTO events (id, kind, subscription_id, renewal_id, attempt_id, dedupe, payload, created_at)
SELECT e.value ->> 'id', e.value ->> 'kind', e.value ->> 'subscription_id', e.value ->> 'renewal_id',
    e.value ->> 'attempt_id', e.value ->> 'dedupe', e.value -> 'payload', e.value ->> 'created_at'
FROM json_each($1) AS e
WHERE true
ON CONFLICT (dedupe) DO NOTHING
