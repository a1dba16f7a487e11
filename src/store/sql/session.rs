//! How a step meets the database: one transaction, in a task of its own, done again when writers met.
//!
//! What never happens here: a time-out, a `select!` or an abort around `begin` or `commit`. A cancelled `begin` leaves
//! its connection inside a transaction, and the next "committed" statement on it is lost.

use super::error::classify;
use super::statement::{self, Param, Statement, stamp};
use super::{Database, SqlStore};
use crate::store::sqlite::{self, OpenFile};
use crate::store::{SchemaProblem, StoreError};
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{FromRow, Transaction};
use std::future::Future;
use std::time::Duration;
use tracing::Instrument;

/// How often a step is tried when writers meet, the first time included.
const TRIES_MAX: u32 = 5;

/// The wait before the second try; it doubles, with jitter, for each later one.
const WAIT_FIRST: Duration = Duration::from_millis(10);

/// Which connections a step may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Read,
    Write,
    /// A connection of its own: results get in even when everything else waits.
    Settle,
}

/// One step: all it needs, and what it does inside one transaction. It may run several times.
pub(crate) trait Step: Send + Sync + 'static {
    const NAME: &'static str;
    const LANE: Lane;
    type Output: Send + 'static;

    fn run(&self, tx: &mut Tx) -> impl Future<Output = Result<Self::Output, StoreError>> + Send;
}

/// An open transaction. Steps take this and never a pool, so nothing can slip out of its transaction.
pub(crate) struct Tx {
    open: Open,
    step: &'static str,
    lane: Lane,
    /// The host's clock, where it is the one that counts: on SQLite, and under a test clock.
    host_time: Option<DateTime<Utc>>,
    /// Whether the host's clock is held against the stored high-water mark.
    keeps_high_water: bool,
}

enum Open {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

/// A row type that reads the same from both databases.
pub(crate) trait Row: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}
impl<T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin> Row for T {}

#[derive(FromRow)]
struct ClockRow {
    now: DateTime<Utc>,
}

impl SqlStore {
    /// Runs `step` to its commit. A caller that stops waiting does not stop it: the task runs to its end.
    pub(crate) async fn perform<S: Step>(&self, step: S) -> Result<S::Output, StoreError> {
        let store = self.clone();
        let task = tokio::spawn(async move { store.perform_here(&step).await }.in_current_span());
        match task.await {
            Ok(done) => done,
            Err(lost) => Err(StoreError::Lost(format!("{}: {lost}", S::NAME))),
        }
    }

    async fn perform_here<S: Step>(&self, step: &S) -> Result<S::Output, StoreError> {
        let mut tries = 1;
        loop {
            match self.perform_once(step).await {
                Err(StoreError::Busy(error)) if tries < TRIES_MAX => {
                    tracing::debug!(step = S::NAME, tries, %error, "writers met; trying again");
                    tokio::time::sleep(self.wait_after(tries)).await;
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    async fn perform_once<S: Step>(&self, step: &S) -> Result<S::Output, StoreError> {
        let mut tx = self.begin(S::NAME, S::LANE).await?;
        // Dropped without a commit, the transaction is rolled back.
        let output = step.run(&mut tx).await?;
        tx.commit().await?;
        Ok(output)
    }

    async fn begin(&self, step: &'static str, lane: Lane) -> Result<Tx, StoreError> {
        let clock = self.clock();
        let (open, host_time) = match self.database() {
            Database::Postgres(pools) => {
                let pool = if lane == Lane::Settle { &pools.settle } else { &pools.main };
                let open = pool.begin().await.map_err(|error| classify(step, error))?;
                (Open::Postgres(open), clock.is_test().then(|| clock.now()))
            }
            Database::Sqlite(pools) => {
                let open = match lane {
                    Lane::Read => pools.readers.begin().await,
                    // Writers queue at `begin`, where nothing is read yet, and never fail half-way.
                    Lane::Write | Lane::Settle => {
                        pools.file.as_ref().map_or(Ok(()), OpenFile::assert_in_place)?;
                        pools.writer.begin_with(sqlite::BEGIN).await
                    }
                };
                (Open::Sqlite(open.map_err(|error| classify(step, error))?), Some(clock.now()))
            }
        };
        Ok(Tx { open, step, lane, host_time, keeps_high_water: !clock.is_test() })
    }

    /// Full jitter from the stopwatch's last digits: chance enough to part two writers.
    fn wait_after(&self, tries: u32) -> Duration {
        let longest = WAIT_FIRST * 2_u32.saturating_pow(tries);
        longest.mul_f64(f64::from(self.clock().uptime().subsec_nanos() % 1_000) / 1_000.0)
    }
}

impl Tx {
    /// The time that decides, read once in a step. Postgres: the server's clock. SQLite: the host's, never before the
    /// stored mark. A test clock replaces both.
    pub(crate) async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        let needs_database = match self.open {
            Open::Postgres(_) => self.host_time.is_none(),
            Open::Sqlite(_) => self.keeps_high_water,
        };
        match self.host_time {
            Some(time) if !needs_database => Ok(time),
            host_time => {
                let moves_mark = Param::Int(i64::from(self.lane != Lane::Read));
                let row: ClockRow = self.row(&statement::CLOCK, &[Param::Time(host_time), moves_mark]).await?;
                Ok(row.now)
            }
        }
    }

    /// The time as a parameter, for statements that can read the server's clock themselves (`NULL` asks for it): saves
    /// a round trip.
    pub(crate) async fn now_param(&mut self) -> Result<Param, StoreError> {
        match self.open {
            Open::Postgres(_) => Ok(Param::Time(self.host_time)),
            Open::Sqlite(_) => self.now().await.map(Param::time),
        }
    }

    /// The host's time, or `NULL` for the server's, without the stored mark: there may be none yet.
    pub(crate) fn unmarked_now(&self) -> Param {
        Param::Time(self.host_time)
    }

    pub(crate) async fn rows<T: Row>(
        &mut self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Vec<T>, StoreError> {
        let read = match &mut self.open {
            Open::Postgres(tx) => fetch_postgres(tx, statement.postgres, params).await,
            Open::Sqlite(tx) => fetch_sqlite(tx, statement.sqlite, params).await,
        };
        read.map_err(|error| classify(self.step, error))
    }

    /// The first row.
    ///
    /// # Errors
    /// [`StoreError::Schema`] if there is none: only tables that always have a row are read like this.
    pub(crate) async fn row<T: Row>(
        &mut self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<T, StoreError> {
        self.rows(statement, params).await?.into_iter().next().ok_or(StoreError::Schema(SchemaProblem::Missing))
    }

    pub(crate) async fn execute(&mut self, statement: &'static Statement, params: &[Param]) -> Result<u64, StoreError> {
        let done = match &mut self.open {
            Open::Postgres(tx) => {
                let query = params.iter().fold(planned_anew(statement.postgres), bind_postgres);
                query.execute(&mut **tx).await.map(|done| done.rows_affected())
            }
            Open::Sqlite(tx) => {
                let query = params.iter().fold(sqlx::query(statement.sqlite), bind_sqlite);
                query.execute(&mut **tx).await.map(|done| done.rows_affected())
            }
        };
        done.map_err(|error| classify(self.step, error))
    }

    async fn commit(self) -> Result<(), StoreError> {
        let done = match self.open {
            Open::Postgres(tx) => tx.commit().await,
            Open::Sqlite(tx) => tx.commit().await,
        };
        done.map_err(|error| classify(self.step, error))
    }
}

async fn fetch_postgres<T: Row>(
    tx: &mut Transaction<'static, Postgres>,
    sql: &'static str,
    params: &[Param],
) -> Result<Vec<T>, sqlx::Error> {
    let query = params.iter().fold(planned_anew(sql), bind_postgres);
    query.fetch_all(&mut **tx).await?.iter().map(T::from_row).collect()
}

async fn fetch_sqlite<T: Row>(
    tx: &mut Transaction<'static, Sqlite>,
    sql: &'static str,
    params: &[Param],
) -> Result<Vec<T>, sqlx::Error> {
    let query = params.iter().fold(sqlx::query(sql), bind_sqlite);
    query.fetch_all(&mut **tx).await?.iter().map(T::from_row).collect()
}

/// A statement that the server plans for the rows at hand, each time: of one that it keeps, it would keep a plan too, and one
/// that was made while a table was empty makes runs several times slower. Statements are few, as each does a whole batch.
///
/// Not by `plan_cache_mode`: that would have the server plan its own look-up behind each foreign key anew for each row,
/// which was a third of its work.
fn planned_anew(sql: &'static str) -> Query<'static, Postgres> {
    sqlx::query(sql).persistent(false)
}

type Query<'q, DB> = sqlx::query::Query<'q, DB, <DB as sqlx::Database>::Arguments>;

fn bind_postgres<'q>(query: Query<'q, Postgres>, param: &Param) -> Query<'q, Postgres> {
    match param {
        Param::Text(text) => query.bind(text.clone()),
        Param::Int(number) => query.bind(*number),
        Param::Time(time) => query.bind(*time),
    }
}

fn bind_sqlite<'q>(query: Query<'q, Sqlite>, param: &Param) -> Query<'q, Sqlite> {
    match param {
        Param::Text(text) => query.bind(text.clone()),
        Param::Int(number) => query.bind(*number),
        Param::Time(time) => query.bind(time.map(stamp)),
    }
}
