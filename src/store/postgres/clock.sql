-- The server's time, unless a test clock says another.
-- $1 the test clock or NULL, $2 only of use on SQLite
SELECT coalesce($1::timestamptz, clock_timestamp()) AS now WHERE $2::bigint IS NOT NULL
