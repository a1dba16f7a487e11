//! The databases that a simulated world can live on, as the API service, the auditor and operations meet them.

use super::facts::Facts;
use crate::support::sqlite::SqliteFile;
use async_trait::async_trait;
use renewd::clock::Clock;
use renewd::store::sql::{Database as Connections, SqlStore};
use renewd::store::{Store, sqlite};
use sqlx::{AssertSqlSafe, SqlitePool};
use std::sync::Arc;

/// What the API service writes.
#[derive(Clone, Debug)]
pub enum Change {
    Cancel { subscription: String, canceled: bool },
    NextPlan { subscription: String, plan: String },
    Price { plan: String, amount: i64 },
}

#[async_trait]
pub trait Database: Send {
    fn store(&self) -> Arc<dyn Store>;
    async fn change(&self, change: &Change);
    async fn facts(&self) -> Facts;
    /// Takes a copy and keeps it under this name.
    async fn copy(&mut self, name: &'static str);
    /// Puts the copy back, if there is one.
    async fn restore(&mut self, name: &'static str) -> bool;
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
                    "SELECT renewal_id AS id, subscription_id, {start} AS period_start, {end} AS period_end, amount, \
                     state, payment_id, attempt_count, {next} AS next_attempt_at FROM renewal_results ORDER BY id"
                ))
                .await,
            subscriptions: self
                .all(&format!(
                    "SELECT subscription_id AS id, status, {last} AS current_period_end, cancel_at_period_end, \
                     billing_key_state FROM subscription_access ORDER BY id"
                ))
                .await,
            payments: self.all("SELECT payment_id, amount, verified FROM payments ORDER BY payment_id").await,
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
