-- What became of messages, each only under the claim that it was looked into under.
-- $1 rows
UPDATE webhooks w
SET state = o.state, next_try_at = o.next_try_at, note = o.note
FROM json_to_recordset($1::json) AS o (id text, tries bigint, state text, next_try_at timestamptz, note text)
WHERE w.id = o.id AND w.tries = o.tries AND w.state = 'pending'
