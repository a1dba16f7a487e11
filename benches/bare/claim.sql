-- The intent, before the call: at most $1 of what is due. Both databases take it as it is.
UPDATE renewals SET state = 'charging'
WHERE id IN (SELECT id FROM renewals WHERE state = 'due' ORDER BY id LIMIT $1)
RETURNING id, payment_id, subscription_id
