-- $1 at most, $2 before: started, $3 before: id
SELECT id::text, trigger, business_date, zone, status, actor, figures, error, started_at, finished_at
FROM runs
WHERE (started_at, id) < (coalesce($2::timestamptz, 'infinity'::timestamptz), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY started_at DESC, id DESC
LIMIT $1::bigint
