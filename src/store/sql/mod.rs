//! The steps of the store, once, for both databases: the same rows go in and out, only the SQL differs.
//!
//! What does not live here: no decision about money, and no SQL (that is in `../postgres` and `../sqlite`, one file for
//! each statement, the same names in both).

mod access;
mod act;
mod ahead;
mod claim;
mod claim_keys;
mod deliveries;
pub(crate) mod error;
mod import;
mod inbox;
mod installation;
mod late;
mod look_ahead;
mod money;
mod plan;
mod read;
mod reconcile;
mod refunds;
mod resolve;
mod rows;
mod runs;
mod schema;
mod search;
mod session;
mod settle;
mod statement;
mod store;

pub use statement::{ALL_STATEMENTS, Statement};

use crate::clock::Clock;
use crate::store::{StoreError, postgres, sqlite};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// A store on either database. Cheap to clone: clones share the connections.
#[derive(Clone)]
pub struct SqlStore(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
}

/// The connections of the database in use.
#[derive(Clone, Debug)]
pub enum Database {
    Postgres(postgres::Pools),
    Sqlite(sqlite::Pools),
}

/// Opens the database that `url` names: `postgres://…`, or `sqlite://…` for one machine.
///
/// `pool_max` counts connections to Postgres; SQLite has one writer, whatever is asked for.
///
/// # Errors
/// [`StoreError::Unreachable`], or [`StoreError::Refused`] for a URL that is neither.
pub async fn connect(url: &SecretString, pool_max: u32, clock: Arc<dyn Clock>) -> Result<SqlStore, StoreError> {
    match url.expose_secret().split(':').next() {
        Some("postgres" | "postgresql") => postgres::connect(url, pool_max, clock).await,
        Some("sqlite") => sqlite::connect(url.expose_secret(), clock).await,
        _ => Err(StoreError::Refused {
            step: "the database URL",
            source: sqlx::Error::Configuration("it must start with postgres:// or sqlite://".into()),
        }),
    }
}

impl SqlStore {
    pub(crate) fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { database, clock }))
    }

    /// The connections: for tests and tools that look at the tables themselves.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }
}
