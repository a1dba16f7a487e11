-- Keys that were issued, or stand for another card, since they were marked: they can be charged again.
-- $1 rows: id, issued_at; $2 now
UPDATE billing_keys
SET state = 'usable', unusable_reason = NULL, updated_at = $2
FROM json_each($1) AS i
WHERE billing_keys.id = i.value ->> 'id' AND billing_keys.state = 'unusable'
    AND billing_keys.updated_at < i.value ->> 'issued_at'
RETURNING billing_keys.id
