-- The first run that charges fixes store and channel type; whoever comes later finds them fixed.
-- $1 store id, $2 channel type
UPDATE installation SET store_id = $1, channel_type = $2 WHERE store_id IS NULL
