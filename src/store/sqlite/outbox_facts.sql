-- Events that were not handed to the sinks yet, the oldest first.
-- $1 at most
SELECT e.id, e.kind, e.subscription_id, e.renewal_id, e.payload, e.created_at
FROM outbox o
JOIN events e ON e.id = o.event_id
ORDER BY o.event_id
LIMIT $1
