-- What this server is, whether this role may write here, whether what is committed lasts, and what a connection was set to.
SELECT 'PostgreSQL ' || current_setting('server_version') AS server,
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
    concat_ws(', ',
        CASE WHEN current_setting('fsync') = 'off' THEN 'fsync is off' END,
        CASE WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes is off' END,
        CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'synchronous_commit is off' END) AS weaknesses,
    coalesce((
        SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
        FROM pg_class c
        WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace(quote_ident(current_schema()))
            AND c.relname <> '_sqlx_migrations'
            AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT'))), '') AS closed_tables,
    current_setting('enable_seqscan') = 'on' AS forgets_settings
