-- The billing keys that a claim would charge. The transaction is the only writer: that is the lock.
-- $1 ids (JSON)
SELECT k.id, k.state
FROM billing_keys k
WHERE k.id IN (SELECT value FROM json_each($1))
ORDER BY k.id
