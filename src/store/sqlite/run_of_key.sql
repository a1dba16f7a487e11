-- $1 a client's key
SELECT id, client_asked AS asked
FROM runs
WHERE client_key = $1
