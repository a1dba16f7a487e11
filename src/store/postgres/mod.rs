//! PostgreSQL: connections and their guards. The steps are in [`super::sql`]; the statements are beside this file.

use super::StoreError;
use super::sql::error::classify;
use super::sql::{Database, SqlStore};
use crate::clock::Clock;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

type BoxFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// How long a step waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The connections: results have one of their own, so that they get in even when claims wait.
#[derive(Clone, Debug)]
pub struct Pools {
    pub main: PgPool,
    pub settle: PgPool,
    pub(crate) options: Box<PgConnectOptions>,
}

/// Connects to `url` with at most `pool_max` connections beside the one for results.
///
/// # Errors
/// [`StoreError::Unreachable`] if nobody answers there or the credentials are refused.
pub async fn connect(url: &SecretString, pool_max: u32, clock: Arc<dyn Clock>) -> Result<SqlStore, StoreError> {
    let options = PgConnectOptions::from_str(url.expose_secret())
        .map_err(|error| classify("connect", error))?
        .application_name("renewd");
    // The pool would wait for a server that is not there; a person wants to know at once.
    let first = options.connect().await.map_err(|error| classify("connect", error))?;
    first.close().await.map_err(|error| classify("connect", error))?;
    let pools = Pools {
        main: pool(pool_max.max(1)).connect_lazy_with(options.clone()),
        settle: pool(1).connect_lazy_with(options.clone()),
        options: Box::new(options),
    };
    Ok(SqlStore::new(Database::Postgres(pools), clock))
}

fn pool(connections_max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // The ROLLBACK below is also the ping.
        .test_before_acquire(false)
        .after_connect(|connection, _| prepare_session(connection))
        .before_acquire(|connection, _| leave_transaction(connection))
}

fn prepare_session(connection: &mut PgConnection) -> BoxFuture<'_, Result<(), sqlx::Error>> {
    Box::pin(async move { connection.execute(sqlx::raw_sql(include_str!("session.sql"))).await.map(|_| ()) })
}

/// A `begin` that was cancelled leaves its connection inside a transaction, where everything later is "committed" and
/// lost (sqlx 0.9.0). Steps run in tasks that nobody cancels; this guard holds even where that is forgotten.
fn leave_transaction(connection: &mut PgConnection) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    Box::pin(async move { Ok(connection.execute(sqlx::raw_sql("ROLLBACK")).await.is_ok()) })
}
