//! The databases that a simulated world can live on, as the API service, the auditor and operations meet them.

use super::bugs::Bug;
use super::facts::{Facts, Payment, Renewal, Subscription, Told, Unplaced};
use super::time::MachineClock;
use crate::support::sqlite::SqliteFile;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use renewd::clock::Clock;
use renewd::domain::event::EventKind;
use renewd::domain::ids::RenewalId;
use renewd::store::memory::{Copy, Guard, MemoryStore};
use renewd::store::sql::{Database as Connections, SqlStore};
use renewd::store::{Store, sqlite};
use sqlx::{AssertSqlSafe, SqlitePool};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The note of an attempt that was lost with the database's commits, and that the gateway still knew.
const BROUGHT_BACK: &str = "found at the gateway: this database had forgotten it";

/// What the API service writes.
#[derive(Clone, Debug)]
pub enum Change {
    Cancel { subscription: String, canceled: bool },
    NextPlan { subscription: String, plan: String },
    Price { plan: String, amount: i64 },
}

/// A store as the process with this clock opens it. The clock matters only to a bug: a database has its own.
pub type Open = Arc<dyn Fn(MachineClock) -> Arc<dyn Store> + Send + Sync>;

#[async_trait]
pub trait Database: Send {
    fn store(&self) -> Arc<dyn Store>;
    fn open(&self) -> Open {
        let store = self.store();
        Arc::new(move |_| Arc::clone(&store))
    }
    async fn change(&self, change: &Change);
    async fn facts(&self) -> Facts;
    /// Takes a copy and keeps it under this name.
    async fn copy(&mut self, name: &'static str);
    /// Puts the copy back, if there is one.
    async fn restore(&mut self, name: &'static str) -> bool;
}

/// The tables in memory: the same steps, thousands of times as fast.
pub struct Memory {
    store: MemoryStore,
    copies: BTreeMap<&'static str, Copy>,
    /// Processes decide by their own clocks.
    own_clocks: bool,
}

impl Memory {
    pub async fn new(clock: Arc<dyn Clock>, bug: Option<Bug>) -> Self {
        let guard = match bug {
            Some(Bug::NegativeVerdictKeeps) => Some(Guard::LiveLeaseForNegative),
            Some(Bug::DeclineCountedTwice) => Some(Guard::OneDeclinePerAttempt),
            Some(Bug::NoFence) => Some(Guard::LeaseEpoch),
            Some(Bug::DropResultOnFenceLoss) => Some(Guard::LateObservation),
            Some(Bug::CancelNotChecked) => Some(Guard::CancelUnderLock),
            _ => None,
        };
        let store = MemoryStore::new(clock).without(guard);
        store.migrate(None).await.unwrap();
        Self { own_clocks: bug == Some(Bug::WorkerClockDue), ..Self::of(store) }
    }

    /// As it is, with its own clock.
    pub fn of(store: MemoryStore) -> Self {
        Self { store, copies: BTreeMap::new(), own_clocks: false }
    }
}

/// How many of each renewal's attempts came with a restored backup.
fn brought_back(store: &MemoryStore) -> BTreeMap<RenewalId, i64> {
    let mut counts = BTreeMap::new();
    for attempt in store.attempts().iter().filter(|row| row.note.as_deref() == Some(BROUGHT_BACK)) {
        *counts.entry(attempt.renewal_id).or_default() += 1;
    }
    counts
}

/// The renewals of which a person said "paid".
fn accepted_by_hand(store: &MemoryStore) -> BTreeSet<String> {
    let answers = store.rows("actions").into_iter().filter(|row| row["details"]["as"] == "paid");
    answers.filter_map(|row| row["renewal_id"].as_str().map(str::to_owned)).collect()
}

#[async_trait]
impl Database for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn open(&self) -> Open {
        let (store, own_clocks) = (self.store.clone(), self.own_clocks);
        Arc::new(move |clock| match own_clocks {
            // As if it were the database's.
            true => Arc::new(store.neighbour(Arc::new(MachineClock { is_test: true, ..clock }))),
            false => Arc::new(store.clone()),
        })
    }

    async fn change(&self, change: &Change) {
        match change {
            Change::Cancel { subscription, canceled } => self.store.set_cancel_at_period_end(subscription, *canceled),
            Change::NextPlan { subscription, plan } => self.store.set_next_plan(subscription, Some(plan)),
            Change::Price { plan, amount } => self.store.set_price(plan, *amount),
        }
        .unwrap();
    }

    async fn facts(&self) -> Facts {
        let micros = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_micros());
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let brought_back = brought_back(&self.store);
        let accepted = accepted_by_hand(&self.store);
        let events = self.store.events();
        let unknown = events.iter().filter(|row| row.kind == EventKind::PaymentUnknown);
        let shown: BTreeSet<String> = unknown.filter_map(|row| text(&row.payload["payment_id"])).collect();
        Facts {
            renewals: self
                .store
                .renewals()
                .iter()
                .map(|row| Renewal {
                    id: row.id.to_string(),
                    subscription_id: row.subscription_id.to_string(),
                    period_start: row.period_start.timestamp_micros(),
                    period_end: micros(row.period_end),
                    amount: row.amount,
                    state: row.state.as_str().to_owned(),
                    payment_id: row.payment_id.to_string(),
                    attempt_count: row.attempt_count - brought_back.get(&row.id).copied().unwrap_or(0),
                    decline_count: row.decline_count,
                    next_attempt_at: micros(row.next_attempt_at),
                    accepted_by_hand: accepted.contains(&row.id.to_string()),
                })
                .collect(),
            subscriptions: self
                .store
                .subscriptions()
                .iter()
                .map(|row| Subscription {
                    id: row.row.id.clone(),
                    current_period_end: row.row.current_period_end.timestamp_micros(),
                    cancel_at_period_end: row.row.cancel_at_period_end,
                    status: row.status.to_owned(),
                })
                .collect(),
            payments: self
                .store
                .payments()
                .iter()
                .map(|row| Payment {
                    payment_id: row.payment.payment_id.clone(),
                    amount: row.payment.amount,
                    verified: row.payment.verified,
                })
                .collect(),
            unplaced: self
                .store
                .observations()
                .iter()
                .map(|row| &row.payment)
                .filter(|seen| seen.renewal_id.is_none() && shown.contains(&seen.payment_id))
                .map(|seen| Unplaced { payment_id: seen.payment_id.clone(), amount: seen.amount })
                .collect(),
            declines: self
                .store
                .events()
                .iter()
                .filter(|row| row.kind == EventKind::RenewalDeclined)
                .map(|row| Told {
                    renewal_id: row.renewal_id.map(|id| id.to_string()).unwrap_or_default(),
                    attempt_id: row.attempt_id.map(|id| id.to_string()).unwrap_or_default(),
                    at: row.created_at.timestamp_micros(),
                    pg_code: text(&row.payload["pg_code"]),
                })
                .collect(),
        }
    }

    async fn copy(&mut self, name: &'static str) {
        self.copies.insert(name, self.store.copy());
    }

    async fn restore(&mut self, name: &'static str) -> bool {
        let copy = self.copies.get(name);
        copy.inspect(|copy| self.store.restore(copy)).is_some()
    }
}

/// The real thing, on a file in memory.
pub struct Sqlite {
    file: SqliteFile,
    clock: Arc<dyn Clock>,
    store: SqlStore,
}

impl Sqlite {
    pub async fn new(clock: Arc<dyn Clock>) -> Self {
        let file = SqliteFile::in_memory();
        let store = sqlite::connect(&file.url(), Arc::clone(&clock)).await.unwrap();
        store.migrate(None).await.unwrap();
        Self { file, clock, store }
    }

    fn pool(&self) -> &SqlitePool {
        match self.store.database() {
            Connections::Sqlite(pools) => &pools.writer,
            Connections::Postgres(_) => unreachable!("it was opened as SQLite"),
        }
    }

    async fn all<T>(&self, sql: &str) -> Vec<T>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
    {
        sqlx::query_as(AssertSqlSafe(sql.to_owned())).fetch_all(self.pool()).await.unwrap()
    }

    async fn close(&self) {
        if let Connections::Sqlite(pools) = self.store.database() {
            pools.readers.close().await;
            pools.writer.close().await;
        }
    }

    fn copy_path(&self, name: &str) -> std::path::PathBuf {
        self.file.path().with_extension(name)
    }
}

/// A time as microseconds.
fn micros(column: &str) -> String {
    format!("CAST(strftime('%s', {column}) AS integer) * 1000000 + CAST(substr({column}, 21, 6) AS integer)")
}

#[async_trait]
impl Database for Sqlite {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    async fn change(&self, change: &Change) {
        let query = match change {
            Change::Cancel { subscription, canceled } => {
                sqlx::query("UPDATE subscriptions SET cancel_at_period_end = $1 WHERE id = $2")
                    .bind(*canceled)
                    .bind(subscription)
            }
            Change::NextPlan { subscription, plan } => {
                sqlx::query("UPDATE subscriptions SET next_plan_id = $1 WHERE id = $2").bind(plan).bind(subscription)
            }
            Change::Price { plan, amount } => {
                sqlx::query("UPDATE plans SET amount = $1 WHERE id = $2").bind(*amount).bind(plan)
            }
        };
        query.execute(self.pool()).await.unwrap();
    }

    async fn facts(&self) -> Facts {
        let (start, end, next, last, at) = (
            micros("period_start"),
            micros("period_end"),
            micros("next_attempt_at"),
            micros("current_period_end"),
            micros("created_at"),
        );
        Facts {
            renewals: self
                .all(&format!(
                    "SELECT id, subscription_id, {start} AS period_start, {end} AS period_end, amount, \
                     state, payment_id, decline_count, {next} AS next_attempt_at, attempt_count - (SELECT count(*) FROM attempts \
                     WHERE renewal_id = renewals.id AND note = '{BROUGHT_BACK}') AS attempt_count, EXISTS (SELECT 1 \
                     FROM actions WHERE renewal_id = renewals.id AND details ->> 'as' = 'paid') AS accepted_by_hand \
                     FROM renewals ORDER BY id"
                ))
                .await,
            subscriptions: self
                .all(&format!(
                    "SELECT subscription_id AS id, {last} AS current_period_end, cancel_at_period_end, status \
                     FROM subscription_access ORDER BY id"
                ))
                .await,
            payments: self.all("SELECT payment_id, amount, verified FROM payments ORDER BY payment_id").await,
            unplaced: self
                .all(
                    "SELECT DISTINCT payment_id, amount FROM observations WHERE renewal_id IS NULL AND payment_id IN \
                     (SELECT json_extract(payload, '$.payment_id') FROM events WHERE kind = 'payment.unknown') \
                     ORDER BY payment_id",
                )
                .await,
            declines: self
                .all(&format!(
                    "SELECT renewal_id, attempt_id, {at} AS at, json_extract(payload, '$.pg_code') AS pg_code \
                     FROM events WHERE kind = 'renewal.declined' ORDER BY id"
                ))
                .await,
        }
    }

    async fn copy(&mut self, name: &'static str) {
        let path = self.copy_path(name);
        let _ = std::fs::remove_file(&path);
        sqlx::query("VACUUM INTO $1").bind(path.to_str().unwrap()).execute(self.pool()).await.unwrap();
    }

    async fn restore(&mut self, name: &'static str) -> bool {
        let copy = self.copy_path(name);
        if !copy.exists() {
            return false;
        }
        self.close().await;
        for extension in ["db-wal", "db-shm"] {
            let _ = std::fs::remove_file(self.file.path().with_extension(extension));
        }
        std::fs::copy(copy, self.file.path()).unwrap();
        self.store = sqlite::connect(&self.file.url(), Arc::clone(&self.clock)).await.unwrap();
        true
    }
}
