-- $1 rows, $2 now or NULL
INSERT INTO customers (id, name, email, phone, created_at, updated_at)
SELECT i.id, i.name, i.email, i.phone, t.now, t.now
FROM json_to_recordset($1::json) AS i (id text, name text, email text, phone text)
CROSS JOIN (SELECT coalesce($2::timestamptz, clock_timestamp()) AS now) t
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, email = excluded.email, phone = excluded.phone, updated_at = excluded.updated_at
