//! SQLite: one file, one writer, a few readers. The steps are in [`super::sql`]; the statements are beside this file.

use super::StoreError;
use super::sql::error::classify;
use super::sql::{Database, SqlStore};
use crate::clock::Clock;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that only read.
const READERS_MAX: u32 = 4;

/// What must be true of every connection, as the file itself says it.
const REQUIRED: &[(&str, &str)] =
    &[("PRAGMA journal_mode", "wal"), ("PRAGMA synchronous", "2"), ("PRAGMA foreign_keys", "1")];

/// The connections to one file.
#[derive(Clone, Debug)]
pub struct Pools {
    pub writer: SqlitePool,
    pub readers: SqlitePool,
}

/// Opens the file of `url` (`sqlite://renewd.db`, or a path), and makes it if it is not there.
///
/// # Errors
/// [`StoreError::Unreachable`] if the file cannot be opened; [`StoreError::Row`] if it does not keep what is committed.
pub async fn connect(url: &str, clock: Arc<dyn Clock>) -> Result<SqlStore, StoreError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| classify("open", error))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options.clone())
        .await
        .map_err(|error| classify("open", error))?;
    assert_durable(&writer).await?;
    let readers = SqlitePoolOptions::new().max_connections(READERS_MAX).connect_lazy_with(options);
    Ok(SqlStore::new(Database::Sqlite(Pools { writer, readers }), clock))
}

/// A setting that was asked for and not taken (a file system without shared memory, for one) must not go unseen: a
/// committed claim that is lost with the power is a charge that nobody knows of.
async fn assert_durable(pool: &SqlitePool) -> Result<(), StoreError> {
    for (pragma, wanted) in REQUIRED {
        let found: String = match sqlx::query_scalar::<_, i64>(*pragma).fetch_one(pool).await {
            Ok(number) => number.to_string(),
            Err(_) => sqlx::query_scalar(*pragma).fetch_one(pool).await.map_err(|error| classify("open", error))?,
        };
        if found != *wanted {
            return Err(StoreError::Row {
                table: "the SQLite file",
                key: (*pragma).to_owned(),
                problem: format!("is {found}, must be {wanted}: move the database to a local disk"),
            });
        }
    }
    Ok(())
}
