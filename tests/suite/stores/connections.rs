//! Connections: what is committed is committed, whoever stops waiting; and a database that is not there says so.

use super::ground::{Ground, charge_everything, now};
use super::on_all;
use chrono::{DateTime, TimeDelta, Utc};
use renewd::clock::{Clock, SystemClock};
use renewd::domain::claim::RenewalChange;
use renewd::domain::renewal::State;
use renewd::store::sql::Database;
use renewd::store::{StoreError, postgres, sql, sqlite};
use secrecy::SecretString;
use sqlx::postgres::PgPool;
use sqlx::{Connection, PgConnection, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

on_all!(the_clock_that_decides_is_the_databases; sql: a_step_goes_on_when_its_caller_stops_waiting);

async fn settled_soon(ground: &Ground, wanted: &str) {
    for _ in 0..6_000 {
        if ground.state("sub_1").await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never became {wanted}");
}

/// Somebody holds the row; the caller gives up; the step waits in its own task, and gets through.
async fn a_step_goes_on_when_its_caller_stops_waiting(ground: Ground) {
    let renewal = ground.subscribed_and_planned(&["sub_1"]).await[0];
    let change = [RenewalChange {
        renewal_id: renewal,
        from: State::Due,
        to: State::Canceled,
        next_attempt_at: None,
        next_look_up_at: None,
        waits_for_key: false,
        waited_for_key: false,
        access_until: None,
        review_reason: None,
        events: Vec::new(),
    }];
    let impatient = async || {
        let gave_up = tokio::time::timeout(Duration::from_millis(200), ground.change_renewals(&change)).await;
        assert!(gave_up.is_err(), "the row was held");
    };
    match ground.database() {
        Database::Postgres(_) => {
            let mut holder = PgConnection::connect(ground.url()).await.unwrap();
            let mut tx = holder.begin().await.unwrap();
            sqlx::query("SELECT id FROM renewals FOR UPDATE").fetch_all(&mut *tx).await.unwrap();
            impatient().await;
            tx.rollback().await.unwrap();
        }
        Database::Sqlite(_) => {
            let mut holder = SqliteConnection::connect(ground.url()).await.unwrap();
            let tx = holder.begin_with("BEGIN IMMEDIATE").await.unwrap();
            impatient().await;
            tx.rollback().await.unwrap();
        }
    }
    settled_soon(&ground, "canceled").await;
}

/// The host's clock, which is wrong.
struct WrongClock(AtomicI64);

impl Clock for WrongClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn uptime(&self) -> Duration {
        SystemClock.uptime()
    }

    fn is_test(&self) -> bool {
        false
    }
}

/// PostgreSQL has a clock of its own. The others have the host's, which may not take back what it said.
async fn the_clock_that_decides_is_the_databases(ground: Ground) {
    let wrong = Arc::new(WrongClock(AtomicI64::new((now() + TimeDelta::days(30)).timestamp_micros())));
    let store = ground.neighbour(Arc::clone(&wrong) as Arc<dyn Clock>).await;
    if ground.is_on_postgres() {
        let apart = (store.now().await.unwrap() - SystemClock.now()).abs();
        assert!(apart < TimeDelta::minutes(1), "{apart}");
        return;
    }
    assert_eq!(store.now().await.unwrap(), now() + TimeDelta::days(30));
    store.give_back(&[renewal_of_nobody(&ground)]).await.unwrap();
    wrong.0.store(now().timestamp_micros(), Ordering::SeqCst);
    assert_eq!(store.now().await.unwrap(), now() + TimeDelta::days(30), "a step had this time already");
    wrong.0.store((now() + TimeDelta::days(31)).timestamp_micros(), Ordering::SeqCst);
    assert_eq!(store.now().await.unwrap(), now() + TimeDelta::days(31));
}

fn renewal_of_nobody(ground: &Ground) -> renewd::store::GivenBack {
    renewd::store::GivenBack {
        renewal_id: ground.planned("nobody").id,
        attempt_id: renewd::domain::ids::AttemptId(ground.planned("nobody").id.0),
        lease_epoch: 1,
        note: String::new(),
    }
}

async fn narrow(ground: &Ground) -> PgPool {
    let url = SecretString::from(ground.url().to_owned());
    let store = postgres::connect(&url, 1, Arc::new(SystemClock)).await.unwrap();
    let Database::Postgres(pools) = store.database() else { unreachable!() };
    pools.main.clone()
}

/// What a connection "commits" is seen by another one.
async fn canary_is_seen(ground: &Ground, pool: &PgPool, name: &str) -> bool {
    let insert = "INSERT INTO customers (id) VALUES ($1)";
    sqlx::query(insert).bind(name).execute(pool).await.unwrap();
    let mut other = PgConnection::connect(ground.url()).await.unwrap();
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM customers WHERE id = $1")
        .bind(name)
        .fetch_one(&mut other)
        .await
        .unwrap();
    seen == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_left_inside_a_transaction_leaves_it() {
    let ground = Ground::postgres("left_inside").await;
    let pool = narrow(&ground).await;
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
    drop(connection);
    assert!(canary_is_seen(&ground, &pool, "canary").await, "it was written into a transaction that nobody commits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begin_that_was_cancelled_leaves_nothing_behind() {
    let ground = Ground::postgres("cancelled_begin").await;
    let pool = narrow(&ground).await;
    for micros in 0..120 {
        let patience = Duration::from_micros(micros * 5);
        let _ = tokio::time::timeout(patience, pool.begin()).await;
        assert!(canary_is_seen(&ground, &pool, &format!("canary_{micros}")).await, "after {patience:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_get_in_while_every_other_connection_is_taken() {
    let ground = Ground::postgres("own_connection").await;
    ground.subscribed_and_planned(&["sub_1"]).await;
    let paid = ground.paid(&ground.claim_one().await);
    let Database::Postgres(pools) = ground.database() else { unreachable!() };
    let mut taken = Vec::new();
    while let Some(connection) = pools.main.try_acquire() {
        taken.push(connection);
    }
    while u32::try_from(taken.len()).unwrap() < pools.main.options().get_max_connections() {
        taken.push(pools.main.acquire().await.unwrap());
    }
    assert_eq!(ground.settle(&[paid]).await.unwrap().settled.len(), 1);
    // Whoever needs another one waits for a bounded time, and has claimed nothing.
    let charge = charge_everything(ground.run_id());
    let claimed = tokio::time::timeout(Duration::from_secs(20), ground.claim(&ground.request(9), charge)).await;
    assert!(matches!(claimed.unwrap(), Err(StoreError::Unreachable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_at_the_address_is_told_at_once() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let nobody = SecretString::from("postgres://renewd:secret@127.0.0.1:1/renewd".to_owned());
    let refusal = sql::connect(&nobody, 2, Arc::clone(&clock)).await.err().unwrap();
    assert!(matches!(refusal, StoreError::Unreachable(_)), "{refusal}");
    assert!(!format!("{refusal:?}").contains("secret"));
    let refusal = sqlite::connect("sqlite:///no/such/folder/renewd.db", Arc::clone(&clock)).await.err().unwrap();
    assert!(matches!(refusal, StoreError::Unreachable(_)), "{refusal}");
    let refusal = sql::connect(&SecretString::from("mysql://x".to_owned()), 2, clock).await.err().unwrap();
    assert!(refusal.to_string().contains("postgres:// or sqlite://"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_vanished_is_unreachable() {
    let ground = Ground::postgres("vanished").await;
    let name = ground.text("current_database()").await.unwrap();
    let server = ground.url().replacen(&format!("/{name}?"), "/postgres?", 1);
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::raw_sql(drop).execute(&mut admin).await.unwrap();
    for _ in 0..2 {
        let refusal = ground.backlog().await.unwrap_err();
        assert!(matches!(refusal, StoreError::Unreachable(_)), "{refusal:?}");
    }
}

/// Asked of the connections themselves: what was asked for when they were opened may not have been taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_what_is_committed() {
    let ground = Ground::sqlite().await;
    let Database::Sqlite(pools) = ground.database() else { unreachable!() };
    for pool in [&pools.writer, &pools.readers] {
        let mut connection = pool.acquire().await.unwrap();
        for (pragma, wanted) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
            let read = sqlx::AssertSqlSafe(format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"));
            let found: String = sqlx::query_scalar(read).fetch_one(&mut *connection).await.unwrap();
            assert_eq!(found, wanted, "{pragma}");
        }
    }
}
