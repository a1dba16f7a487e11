//! The ceiling: the same durable work in hand-written batches by one client, on bare tables, with no gateway at all.
//!
//! The same work: an intent that is committed before the call would go out; the result, the subscription's new period
//! and one event, committed after it.

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::time::{Duration, Instant};

/// About as long as a charge's body.
const BODY: &str = r#"{"storeId":"store-simulator","billingKey":"billing-key-1","orderName":"Pro","amount":{"total":55000},"currency":"KRW","customer":{"id":"user_1"},"customData":"{\"subscription\":\"sub_1\"}"}"#;

/// One that was claimed: id, payment id, subscription.
type Claimed = Vec<(i64, String, String)>;

pub enum Bare {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Bare {
    /// The tables in an empty database, with `due` renewals.
    pub async fn fill(url: &str, due: u32) -> Self {
        let made = |sql: &str| AssertSqlSafe(sql.replace("$1", &due.to_string()));
        if url.starts_with("postgres") {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(made(include_str!("../bare/postgres.sql"))).execute(&mut connection).await.unwrap();
            sqlx::query("ANALYZE").execute(&mut connection).await.unwrap();
            return Self::Postgres(connection);
        }
        let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
        let durable = "PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA foreign_keys = on";
        sqlx::raw_sql(durable).execute(&mut connection).await.unwrap();
        sqlx::raw_sql(made(include_str!("../bare/sqlite.sql"))).execute(&mut connection).await.unwrap();
        Self::Sqlite(connection)
    }

    /// Does all of it, `rows` at a time.
    pub async fn drain(mut self, rows: u32) -> Duration {
        let started = Instant::now();
        loop {
            let claimed = self.claim(rows).await;
            if claimed.is_empty() {
                return started.elapsed();
            }
            self.settle(&claimed).await;
        }
    }

    async fn claim(&mut self, rows: u32) -> Claimed {
        let claim = include_str!("../bare/claim.sql");
        match self {
            Self::Postgres(connection) => {
                let mut tx = connection.begin().await.unwrap();
                let claimed: Claimed = sqlx::query_as(claim).bind(i64::from(rows)).fetch_all(&mut *tx).await.unwrap();
                let (ids, bodies): (Vec<i64>, Vec<&str>) = claimed.iter().map(|one| (one.0, BODY)).unzip();
                let intend = sqlx::query(include_str!("../bare/intend_postgres.sql")).bind(ids).bind(bodies);
                intend.execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                claimed
            }
            Self::Sqlite(connection) => {
                let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
                let claimed: Claimed = sqlx::query_as(claim).bind(i64::from(rows)).fetch_all(&mut *tx).await.unwrap();
                let rows = json(&claimed, |_| BODY.to_owned());
                let intend = sqlx::query(include_str!("../bare/intend_sqlite.sql")).bind(rows);
                intend.execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                claimed
            }
        }
    }

    async fn settle(&mut self, claimed: &Claimed) {
        let transaction = |one: &(i64, String, String)| format!("transaction-of-{}", one.1);
        match self {
            Self::Postgres(connection) => {
                let (ids, transactions): (Vec<i64>, Vec<String>) =
                    claimed.iter().map(|one| (one.0, transaction(one))).unzip();
                let settle = sqlx::query(include_str!("../bare/settle_postgres.sql")).bind(ids).bind(transactions);
                let mut tx = connection.begin().await.unwrap();
                settle.execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
            }
            Self::Sqlite(connection) => {
                let rows = json(claimed, transaction);
                let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
                for statement in include_str!("../bare/settle_sqlite.sql").split(';').filter(|it| it.contains("$1")) {
                    sqlx::query(AssertSqlSafe(statement.to_owned())).bind(&rows).execute(&mut *tx).await.unwrap();
                }
                tx.commit().await.unwrap();
            }
        }
    }
}

fn json(claimed: &Claimed, text: impl Fn(&(i64, String, String)) -> String) -> String {
    let rows: Vec<_> = claimed.iter().map(|one| json!({ "id": one.0, "text": text(one) })).collect();
    serde_json::to_string(&rows).unwrap()
}

/// How many were done, for whoever works on these tables.
pub async fn paid(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql =
        "SELECT count(*) FROM renewals r JOIN attempts a ON a.renewal_id = r.id JOIN events e ON e.renewal_id = r.id
        JOIN subscriptions s ON s.id = r.subscription_id
        WHERE r.state = 'paid' AND a.state = 'paid' AND s.period_end > r.period_start";
    let paid = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    paid
}
