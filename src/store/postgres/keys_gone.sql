-- Keys that the gateway does not know any more, as the API service may read it.
-- $1 ids (JSON), $2 why, $3 now
UPDATE billing_keys k
SET state = 'unusable', unusable_reason = $2::text, updated_at = $3::timestamptz
WHERE k.id IN (SELECT json_array_elements_text($1::json)) AND k.state = 'usable'
