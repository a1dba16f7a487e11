-- Money that was seen under this name and could not be placed, and is not recorded since. Few rows have the name; nothing
-- else asks for them, so they have no index.
-- $1 seen by, $2 at most
SELECT o.payment_id
FROM observations o
WHERE o.seen_by = $1 AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.payment_id = o.payment_id)
GROUP BY o.payment_id
ORDER BY min(o.observed_at), o.payment_id
LIMIT $2
