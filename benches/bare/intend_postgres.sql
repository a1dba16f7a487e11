-- $1 renewals, $2 request bodies
INSERT INTO attempts (renewal_id, number, idempotency_key, request_body, state, started_at)
SELECT c.id, 1, 'attempt-' || c.id || '-1-idempotency', c.body, 'open', now()
FROM unnest($1::bigint[], $2::text[]) AS c (id, body)
