-- What a run did for business dates. What is there stays: closing a run twice counts nothing twice.
-- $1 rows, $2 now
INSERT INTO coverage_runs (business_date, run_id, covers, planned, paid, declined, failed, canceled, lapsed,
    no_billing_key, unknown, review, recorded_at)
SELECT c.value ->> 'business_date', c.value ->> 'run_id', c.value ->> 'covers', c.value ->> 'planned',
    c.value ->> 'paid', c.value ->> 'declined', c.value ->> 'failed', c.value ->> 'canceled', c.value ->> 'lapsed',
    c.value ->> 'no_billing_key', c.value ->> 'unknown', c.value ->> 'review', $2
FROM json_each($1) AS c
WHERE true
ON CONFLICT (business_date, run_id) DO NOTHING
