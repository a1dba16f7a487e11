//! A store in memory: the tables as maps, the constraints and steps of the SQL stores in plain Rust. It is for
//! simulations, which replay many days in little time: nothing waits, and the same calls always give the same rows.
//!
//! What does not live here: no decision about money (as in every store), no time and no chance but what is handed in, and
//! no durability: what ends the process ends the tables, unless they were copied with [`MemoryStore::copy`].

mod access;
mod act;
mod ahead;
mod claim;
mod deliveries;
mod guard;
mod import;
mod inbox;
mod installation;
mod late;
mod look_ahead;
mod open;
mod outside;
mod plan;
mod read;
mod reconcile;
mod refunds;
mod resolve;
pub mod rows;
mod runs;
mod settle;
mod store;
mod table;
mod tables;

pub use guard::Guard;

use crate::clock::Clock;
use crate::store::{SchemaProblem, StoreError};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tables::Tables;

/// A store in memory. Cheap to clone: clones share the tables.
#[derive(Clone)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    clock: Arc<dyn Clock>,
    left_out: Arc<BTreeSet<Guard>>,
}

/// All tables as they were, for [`MemoryStore::restore`]. Cheap: rows are shared until they change.
#[derive(Clone)]
pub struct Copy(Tables);

impl MemoryStore {
    /// An empty store, to be migrated like any other. `clock` is the database's clock; unless it is a test clock, it is
    /// held against a high-water mark, as SQLite holds the host's.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { tables: Arc::default(), clock, left_out: Arc::default() }
    }

    /// The same tables, seen by a process with another clock.
    #[must_use]
    pub fn neighbour(&self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self.clone() }
    }

    /// The same tables, with guards left out: to see that the tests notice.
    #[must_use]
    pub fn without(&self, guards: impl IntoIterator<Item = Guard>) -> Self {
        Self { left_out: Arc::new(guards.into_iter().collect()), ..self.clone() }
    }

    /// A backup of all tables.
    pub fn copy(&self) -> Copy {
        Copy(self.lock().clone())
    }

    /// Puts a backup back: everything since is forgotten.
    pub fn restore(&self, copy: &Copy) {
        self.lock().clone_from(&copy.0);
    }

    fn is_left_out(&self, guard: Guard) -> bool {
        self.left_out.contains(&guard)
    }

    /// The tables as of the last step that came to its end.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.rollback();
        tables
    }

    /// A step that only reads. The time that it is handed is the one that decides.
    fn read<T>(&self, step: impl FnOnce(&Tables, DateTime<Utc>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let tables = self.lock();
        let now = self.time(&tables)?;
        step(&tables, now)
    }

    /// A step that writes: what it changed stays if it comes to its end, and is undone if not.
    fn write<T>(
        &self,
        step: impl FnOnce(&mut Tables, DateTime<Utc>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tables = self.lock();
        let now = self.time(&tables)?;
        if !self.clock.is_test() {
            tables.installation.change(&(), |row| row.clock_high_water = now);
        }
        let done = step(&mut tables, now);
        match done {
            Ok(_) => tables.commit(),
            Err(_) => tables.rollback(),
        }
        done
    }

    fn time(&self, tables: &Tables) -> Result<DateTime<Utc>, StoreError> {
        let installed = tables.installation.get(&()).ok_or(StoreError::Schema(SchemaProblem::Missing))?;
        let time = self.clock.now();
        Ok(if self.clock.is_test() { time } else { time.max(installed.clock_high_water) })
    }
}
