-- The first migration makes the row; later ones leave it alone.
-- $1 payment id key, $2 now
INSERT INTO installation (payment_id_key, clock_high_water, created_at)
VALUES ($1::text, coalesce($2::timestamptz, clock_timestamp()), coalesce($2::timestamptz, clock_timestamp()))
ON CONFLICT (only_row) DO NOTHING
