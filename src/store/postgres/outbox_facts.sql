-- Events that were not handed to the sinks yet, the oldest first. Whoever comes second waits, and then reads on: events
-- are handed over in their order.
-- $1 at most
SELECT e.id::text, e.kind, e.subscription_id, e.renewal_id::text, e.payload, e.created_at
FROM outbox o
JOIN events e ON e.id = o.event_id
ORDER BY o.event_id
LIMIT $1::bigint
FOR UPDATE OF o
