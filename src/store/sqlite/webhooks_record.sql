-- What became of messages, each only under the claim that it was looked into under.
-- $1 rows
UPDATE webhooks
SET state = o.value ->> 'state', next_try_at = o.value ->> 'next_try_at', note = o.value ->> 'note'
FROM json_each($1) AS o
WHERE webhooks.id = o.value ->> 'id' AND webhooks.tries = o.value ->> 'tries' AND webhooks.state = 'pending'
