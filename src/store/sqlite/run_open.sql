-- $1 id, $2 trigger, $3 business date, $4 zone, $5 actor, $6 started
INSERT INTO runs (id, trigger, business_date, zone, status, actor, figures, started_at)
VALUES ($1, $2, $3, $4, 'running', $5, '{}', $6)
