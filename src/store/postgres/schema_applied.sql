-- The migrations that were applied, with the fingerprints of their files.
SELECT version, encode(checksum, 'hex') AS checksum, success FROM _sqlx_migrations ORDER BY version
