-- $1 id, $2 trigger, $3 business date, $4 zone, $5 actor, $6 started, $7 a client's key, $8 what it asked for
INSERT INTO runs (id, trigger, business_date, zone, status, actor, figures, started_at, client_key, client_asked)
VALUES ($1::uuid, $2::text, $3::date, $4::text, 'running', $5::text, '{}', $6::timestamptz, $7::text,
    $8::text)
ON CONFLICT (client_key) WHERE client_key IS NOT NULL DO NOTHING
