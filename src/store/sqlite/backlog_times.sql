-- What could be claimed now, and what the rest waits for.
-- $1 now
-- What was sent, or may have been, and has no outcome; a claim under a live lease is somebody's work.
WITH unresolved AS MATERIALIZED (
    SELECT r.id, r.state, a.started_at, r.next_look_up_at
    FROM attempts a
    JOIN renewals r ON r.id = a.renewal_id
    WHERE a.state = 'open' AND (r.state = 'unknown' OR (r.state = 'charging' AND r.lease_until <= $1))
)
SELECT (SELECT count(*) FROM renewals WHERE state = 'due' AND next_attempt_at <= $1) AS due_now,
    (SELECT count(*) FROM renewals WHERE state = 'due' AND waits_for_key) AS waits_for_key,
    (SELECT min(next_attempt_at) FROM renewals WHERE state = 'due') AS next_attempt_at,
    (SELECT min(started_at) FROM unresolved WHERE state = 'unknown') AS oldest_unknown,
    (SELECT id FROM unresolved WHERE state = 'unknown' ORDER BY started_at, id LIMIT 1) AS oldest_unknown_id,
    (SELECT min(next_look_up_at) FROM unresolved WHERE state = 'unknown') AS unknown_look_up_at,
    (SELECT count(*) FROM unresolved WHERE state = 'charging') AS unsettled,
    (SELECT min(started_at) FROM unresolved WHERE state = 'charging') AS oldest_unsettled,
    (SELECT id FROM unresolved WHERE state = 'charging' ORDER BY started_at, id LIMIT 1) AS oldest_unsettled_id,
    (SELECT min(next_look_up_at) FROM renewals WHERE next_look_up_at IS NOT NULL AND attempt_count > 0) AS next_look_up_at,
    (SELECT count(*) FROM refunds WHERE next_try_at IS NOT NULL) AS refunds_open
