//! What PostgreSQL did for somebody, by its own count.

use sqlx::{Connection, FromRow, PgConnection};

/// Counted since the last [`forget`], of one database; the WAL is the whole server's.
#[derive(FromRow)]
pub struct Counted {
    /// Beside `BEGIN` and `COMMIT`.
    pub statements: i64,
    pub commits: i64,
    pub fsyncs: i64,
    pub wal_bytes: i64,
    /// Shared blocks that statements looked at.
    pub blocks: i64,
}

const COUNTED: &str = "
SELECT
    (SELECT coalesce(sum(s.calls), 0)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname = current_database() AND s.query !~* '^(begin|commit|rollback)') AS statements,
    (SELECT coalesce(sum(s.calls), 0)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname = current_database() AND s.query ~* '^commit') AS commits,
    (SELECT coalesce(sum(s.shared_blks_hit + s.shared_blks_read), 0)::bigint FROM pg_stat_statements s
        JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()) AS blocks,
    w.wal_sync AS fsyncs, w.wal_bytes::bigint AS wal_bytes
FROM pg_stat_wal w";

/// Counts from here on.
pub async fn forget(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    for statement in [
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
        "CHECKPOINT",
        "SELECT pg_stat_statements_reset()",
        "SELECT pg_stat_reset_shared('wal')",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

pub async fn counted(url: &str) -> Counted {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let counted = sqlx::query_as(COUNTED).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    counted
}
