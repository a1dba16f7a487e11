-- Events, each told once.
-- $1 rows
INSERT INTO events (id, kind, subscription_id, renewal_id, attempt_id, dedupe, payload, created_at)
SELECT e.id, e.kind, e.subscription_id, e.renewal_id, e.attempt_id, e.dedupe, e.payload, e.created_at
FROM json_to_recordset($1::json) AS e (
    id uuid, kind text, subscription_id text, renewal_id uuid, attempt_id uuid, dedupe text, payload jsonb,
    created_at timestamptz)
ON CONFLICT (dedupe) DO NOTHING
