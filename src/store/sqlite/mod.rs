//! SQLite: one file, one writer, a few readers. The steps are in [`super::sql`]; the statements are beside this file.

mod file;

pub(crate) use self::file::OpenFile;
use super::StoreError;
use super::sql::error::classify;
use super::sql::{Database, SqlStore};
use crate::clock::Clock;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that only read.
const READERS_MAX: u32 = 4;

/// How a writer begins: it takes the write lock at once, and waits for it where nothing has been read yet.
pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";

/// The connections to one file.
#[derive(Clone, Debug)]
pub struct Pools {
    pub writer: SqlitePool,
    pub readers: SqlitePool,
    /// The file as it was opened; none for a database in memory.
    pub(crate) file: Option<OpenFile>,
}

/// Opens the file of `url` (`sqlite://renewd.db`, or a path), and makes it if it is not there.
///
/// # Errors
/// [`StoreError::Unreachable`] if the file cannot be opened; [`StoreError::Row`] if it does not keep what is committed,
/// or lies on another machine.
pub async fn connect(url: &str, clock: Arc<dyn Clock>) -> Result<SqlStore, StoreError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| classify("open", error))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    file::refuse_network(options.get_filename())?;
    let writer = pool_options()
        .max_connections(1)
        .connect_with(options.clone())
        .await
        .map_err(|error| classify("open", error))?;
    assert_durable(&writer).await?;
    let file = OpenFile::at(options.get_filename());
    let readers = pool_options().max_connections(READERS_MAX).connect_lazy_with(options);
    Ok(SqlStore::new(Database::Sqlite(Pools { writer, readers, file }), clock))
}

/// After a disk error SQLite has ended the transaction itself, and sqlx, which could not, takes it for open ever after: no
/// other can begin on that connection. It is closed, so that work goes on when the disk does.
fn pool_options() -> SqlitePoolOptions {
    SqlitePoolOptions::new().after_release(|connection, _| {
        Box::pin(async move {
            // A rollback that was begun on drop is over when this answers.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

/// What the connections are like, by the file's own word.
#[derive(sqlx::FromRow)]
struct Session {
    journal_mode: String,
    synchronous: i64,
    foreign_keys: i64,
}

/// `PRAGMA synchronous` when every commit is on the disk before it returns.
const SYNCHRONOUS_FULL: i64 = 2;

/// A setting that was asked for and not taken (on a file system without shared memory, for one) must not go unseen: a
/// committed claim that is lost with the power is a charge that nobody knows of.
async fn assert_durable(pool: &SqlitePool) -> Result<(), StoreError> {
    let found: Session =
        sqlx::query_as(include_str!("session.sql")).fetch_one(pool).await.map_err(|error| classify("open", error))?;
    let Session { journal_mode, synchronous, foreign_keys } = found;
    if journal_mode == "wal" && synchronous == SYNCHRONOUS_FULL && foreign_keys == 1 {
        return Ok(());
    }
    Err(StoreError::Row {
        table: "the SQLite file",
        key: "its settings".to_owned(),
        problem: format!(
            "journal_mode is {journal_mode}, synchronous {synchronous}, foreign_keys {foreign_keys}; \
             must be wal, {SYNCHRONOUS_FULL}, 1: move the database to a local disk"
        ),
    })
}
