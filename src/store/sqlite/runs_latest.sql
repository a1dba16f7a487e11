-- $1 at most
SELECT id, trigger, business_date, zone, status, actor, figures, error, started_at, finished_at
FROM runs
ORDER BY started_at DESC, id DESC
LIMIT $1
