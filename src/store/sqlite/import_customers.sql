-- $1 rows, $2 now
INSERT INTO customers (id, name, email, phone, created_at, updated_at)
SELECT i.value ->> 'id', i.value ->> 'name', i.value ->> 'email', i.value ->> 'phone', $2, $2
FROM json_each($1) AS i
WHERE true
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, email = excluded.email, phone = excluded.phone, updated_at = excluded.updated_at
