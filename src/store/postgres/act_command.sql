-- A person's command to charge a renewal stands until then.
-- $1 renewal, $2 until
UPDATE renewals SET commanded_until = $2::timestamptz WHERE id = $1::uuid
