-- Codes that were declined since $1 and that the tables did not know, the most frequent first.
-- $1 since, $2 at most
SELECT a.pg_provider, a.pg_code, a.decline_class, a.decline_reason, a.decline_matched_by AS matched_by,
    count(*) AS attempts, min(a.pg_message COLLATE "C") AS message, max(a.pg_message COLLATE "C") AS other_message,
    min(a.settled_at) AS first_seen, max(a.settled_at) AS last_seen
FROM attempts a
WHERE a.decline_matched_by IN ('message', 'nothing') AND a.settled_at >= $1::timestamptz
    AND a.decline_class IS NOT NULL AND a.decline_reason IS NOT NULL
GROUP BY a.pg_provider, a.pg_code, a.decline_class, a.decline_reason, a.decline_matched_by
ORDER BY count(*) DESC, coalesce(a.pg_provider, '') COLLATE "C", coalesce(a.pg_code, '') COLLATE "C", a.decline_class COLLATE "C",
    a.decline_reason COLLATE "C", a.decline_matched_by COLLATE "C"
LIMIT $2::bigint
