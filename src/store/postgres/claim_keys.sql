-- Locks the billing keys that a claim would charge. One that somebody else holds is passed over, and not charged now:
-- two claims never take one card at the same time, and never wait for each other.
-- $1 ids (JSON)
SELECT k.id, k.state
FROM billing_keys k
WHERE k.id IN (SELECT json_array_elements_text($1::json))
ORDER BY k.id
FOR NO KEY UPDATE SKIP LOCKED
