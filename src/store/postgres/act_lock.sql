-- Locks the renewal that a person acts on, and its subscription: what is compared next stays as it is.
-- $1 renewal
SELECT r.id::text AS id
FROM renewals r
JOIN subscriptions s ON s.id = r.subscription_id
WHERE r.id = $1::uuid
FOR UPDATE OF r
FOR NO KEY UPDATE OF s
