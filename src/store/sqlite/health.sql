-- What this library is, and whether this connection may write. The file's settings are held against what they must be
-- whenever it is opened, and a file has no roles.
SELECT 'SQLite ' || sqlite_version() AS server,
    (SELECT query_only FROM pragma_query_only) = 1 AS is_read_only,
    '' AS weaknesses,
    '' AS closed_tables,
    false AS forgets_settings
