//! What PostgreSQL did for somebody, by its own count.

use chrono::{DateTime, Utc};
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

/// One statement's share.
#[derive(FromRow)]
pub struct Share {
    /// Its first words.
    pub statement: String,
    pub calls: i64,
    pub milliseconds: f64,
    pub blocks: i64,
    pub wal_bytes: i64,
}

/// Where the server's time went, the most first.
pub async fn shares(url: &str) -> Vec<Share> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql = r"SELECT left(regexp_replace(regexp_replace(s.query, '--[^\n]*\n', '', 'g'), '\s+', ' ', 'g'), 90) AS statement,
            s.calls, s.total_exec_time + s.total_plan_time AS milliseconds,
            s.shared_blks_hit + s.shared_blks_read AS blocks, s.wal_bytes::bigint AS wal_bytes
        FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname = current_database() ORDER BY 3 DESC LIMIT 12";
    let shares = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    shares
}

/// When the periods end that are paid for.
pub async fn periods_end(url: &str) -> DateTime<Utc> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql = "SELECT max(current_period_end) FROM subscriptions WHERE id LIKE 'sub%'";
    let end = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    end
}

/// How runs leave the tables that they write: what vacuum has to come for, and how large the indexes have grown.
pub async fn tables(url: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql =
        "SELECT format('%s: %s rows, %s dead; %s updates, %s of them HOT; table %s, indexes %s; vacuumed %s times',
            relname, n_live_tup, n_dead_tup, n_tup_upd, n_tup_hot_upd, pg_size_pretty(pg_relation_size(relid)),
            pg_size_pretty(pg_indexes_size(relid)), autovacuum_count)
        FROM pg_stat_user_tables WHERE n_tup_ins + n_tup_upd > 100 ORDER BY pg_total_relation_size(relid) DESC";
    let mut lines: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    let sql = "SELECT format('index %s: %s', indexrelname, pg_size_pretty(pg_relation_size(indexrelid)))
        FROM pg_stat_user_indexes WHERE relname IN ('subscriptions', 'renewals', 'attempts', 'events')
        ORDER BY pg_relation_size(indexrelid) DESC";
    lines.extend(sqlx::query_scalar::<_, String>(sql).fetch_all(&mut connection).await.unwrap());
    connection.close().await.unwrap();
    lines
}
