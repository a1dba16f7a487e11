-- $1 a client's key
SELECT id::text, client_asked AS asked
FROM runs
WHERE client_key = $1::text
