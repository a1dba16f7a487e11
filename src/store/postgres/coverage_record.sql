-- What a run did for business dates. What is there stays: closing a run twice counts nothing twice.
-- $1 rows, $2 now
INSERT INTO coverage_runs (business_date, run_id, covers, planned, paid, declined, failed, canceled, lapsed,
    no_billing_key, unknown, review, recorded_at)
SELECT c.business_date, c.run_id, c.covers, c.planned, c.paid, c.declined, c.failed, c.canceled, c.lapsed,
    c.no_billing_key, c.unknown, c.review, $2::timestamptz
FROM json_to_recordset($1::json) AS c (
    business_date date, run_id uuid, covers boolean, planned bigint, paid bigint, declined bigint, failed bigint,
    canceled bigint, lapsed bigint, no_billing_key bigint, unknown bigint, review bigint)
ON CONFLICT (business_date, run_id) DO NOTHING
