-- Keys that the gateway does not know any more, as the API service may read it.
-- $1 ids (JSON), $2 why, $3 now
UPDATE billing_keys
SET state = 'unusable', unusable_reason = $2, updated_at = $3
WHERE id IN (SELECT value FROM json_each($1)) AND state = 'usable'
