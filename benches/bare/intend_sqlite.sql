-- $1 renewals and request bodies (JSON)
INSERT INTO attempts (renewal_id, number, idempotency_key, request_body, state, started_at)
SELECT value ->> 'id', 1, 'attempt-' || (value ->> 'id') || '-1-idempotency', value ->> 'text', 'open', '2026-02-27T01:00:00Z'
FROM json_each($1)
