-- $1 id
SELECT id::text, trigger, business_date, zone, status, actor, figures, error, started_at, finished_at
FROM runs
WHERE id = $1::uuid
