-- Claims what one sink is to be told now, the longest waiting first: of each subscription only its oldest event that is
-- not over, so that none overtakes another. A claim that nobody recorded is taken over when its time is up.
-- $1 sink, $2 claim, $3 now, $4 until when it is claimed, $5 at most
WITH picked AS (
    SELECT d.event_id
    FROM deliveries d
    WHERE d.sink = $1::text AND d.state = 'pending' AND d.next_try_at <= $3::timestamptz
        AND NOT EXISTS (
            SELECT FROM deliveries earlier
            WHERE earlier.sink = d.sink AND earlier.subscription_id = d.subscription_id AND earlier.state = 'pending'
                AND earlier.event_id < d.event_id)
    ORDER BY d.next_try_at, d.event_id
    LIMIT $5::bigint
    FOR UPDATE OF d SKIP LOCKED
),
claimed AS (
    UPDATE deliveries d
    SET claim = $2::uuid, next_try_at = $4::timestamptz, tries = d.tries + 1, updated_at = $3::timestamptz
    FROM picked p
    WHERE d.sink = $1::text AND d.event_id = p.event_id
    RETURNING d.event_id, d.tries
)
SELECT e.id::text, e.kind, e.subscription_id, e.renewal_id::text, e.payload, e.created_at, c.tries::bigint
FROM claimed c
JOIN events e ON e.id = c.event_id
ORDER BY e.id
