-- All rows about the renewal of one payment id. $1 payment id
SELECT 'renewal: ' || row_to_json(r)::text FROM renewals r WHERE r.payment_id = $1
UNION ALL
SELECT 'attempt: ' || row_to_json(a)::text FROM attempts a WHERE a.payment_id = $1
UNION ALL
SELECT 'seen: ' || row_to_json(o)::text FROM observations o WHERE o.payment_id = $1
UNION ALL
SELECT 'event: ' || row_to_json(e)::text FROM events e
WHERE e.renewal_id IN (SELECT id FROM renewals WHERE payment_id = $1)
