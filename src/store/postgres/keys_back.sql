-- Keys that were issued, or stand for another card, since they were marked: they can be charged again.
-- $1 rows: id, issued_at; $2 now
UPDATE billing_keys k
SET state = 'usable', unusable_reason = NULL, updated_at = $2::timestamptz
FROM json_to_recordset($1::json) AS i (id text, issued_at timestamptz)
WHERE k.id = i.id AND k.state = 'unusable' AND k.updated_at < i.issued_at
RETURNING k.id
