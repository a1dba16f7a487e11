-- What is on its way, or was, the newest event first. What no sink was handed yet has no sink.
-- $1 state or NULL, $2 kind or NULL, $3 subscription or NULL, $4 sink or NULL, $5 at most
SELECT e.id, e.kind, e.subscription_id, e.renewal_id, e.payload, e.created_at, x.sink, x.state, x.tries, x.next_try_at,
    x.note, x.updated_at
FROM (
    SELECT event_id, sink, state, tries, next_try_at, note, updated_at FROM deliveries
    UNION ALL
    SELECT event_id, NULL, 'pending', 0, NULL, NULL, NULL FROM outbox
) AS x
JOIN events e ON e.id = x.event_id
WHERE ($1 IS NULL OR x.state = $1)
    AND ($2 IS NULL OR e.kind = $2)
    AND ($3 IS NULL OR e.subscription_id = $3)
    AND ($4 IS NULL OR x.sink = $4)
ORDER BY e.id DESC, x.sink
LIMIT $5
