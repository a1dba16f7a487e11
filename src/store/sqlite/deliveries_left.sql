-- What is not delivered, by sink: still on its way, or given up. What no sink was handed yet has no sink.
SELECT x.sink, x.state, count(*) AS events, min(e.created_at) AS oldest
FROM (
    SELECT sink, state, event_id FROM deliveries WHERE state IN ('pending', 'dead')
    UNION ALL
    SELECT NULL, 'pending', event_id FROM outbox
) AS x
JOIN events e ON e.id = x.event_id
GROUP BY x.sink, x.state
ORDER BY x.sink, x.state
