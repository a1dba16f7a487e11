-- $1 at most, $2 before: started, $3 before: id
SELECT id, trigger, business_date, zone, status, actor, figures, error, started_at, finished_at
FROM runs
WHERE (started_at, id) < (coalesce($2, '~'), coalesce($3, '~'))
ORDER BY started_at DESC, id DESC
LIMIT $1
