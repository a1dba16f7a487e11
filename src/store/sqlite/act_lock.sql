-- The renewal that a person acts on. The transaction is the only writer: that is the lock.
-- $1 renewal
SELECT id FROM renewals WHERE id = $1
