-- Forgets messages that are over, the oldest first.
-- $1 received before, $2 at most
DELETE FROM webhooks
WHERE id IN (
    SELECT id FROM webhooks WHERE state <> 'pending' AND received_at < $1 ORDER BY received_at, id LIMIT $2)
