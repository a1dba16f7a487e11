-- Claims what one sink is to be told now, the longest waiting first: of each subscription only its oldest event that is
-- not over, so that none overtakes another. A claim that nobody recorded is taken over when its time is up.
-- $1 sink, $2 claim, $3 now, $4 until when it is claimed, $5 at most
UPDATE deliveries
SET claim = $2, next_try_at = $4, tries = tries + 1, updated_at = $3
WHERE sink = $1 AND event_id IN (
    SELECT d.event_id
    FROM deliveries d
    WHERE d.sink = $1 AND d.state = 'pending' AND d.next_try_at <= $3
        AND NOT EXISTS (
            SELECT 1 FROM deliveries earlier
            WHERE earlier.sink = d.sink AND earlier.subscription_id = d.subscription_id AND earlier.state = 'pending'
                AND earlier.event_id < d.event_id)
    ORDER BY d.next_try_at, d.event_id
    LIMIT $5);
SELECT e.id, e.kind, e.subscription_id, e.renewal_id, e.payload, e.created_at, d.tries
FROM deliveries d
JOIN events e ON e.id = d.event_id
WHERE d.sink = $1 AND d.state = 'pending' AND d.next_try_at = $4 AND d.claim = $2
ORDER BY e.id
