-- $1 id
SELECT id, trigger, business_date, zone, status, actor, figures, error, started_at, finished_at
FROM runs
WHERE id = $1
