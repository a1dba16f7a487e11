//! What a round stands on: a database on a server that may crash, a gateway with a ledger on disk, and one clock that
//! every process of the round is started with.

use super::audit::{Auditor, Canceled, Moment};
use super::worker::Worker;
use crate::support::postgres::PrivateServer;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use renewd::clock::{Clock, TestClock};
use renewd::gateway::simulator::{ModelSettings, Simulator, SimulatorSettings};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

const START: &str = "2026-01-30T10:00:00+09:00";
const PERIOD_START: &str = "2025-12-31T00:00:00+09:00";
pub const PERIOD_END: &str = "2026-01-31T00:00:00+09:00";

/// Time enough for each step, however busy the machine is.
pub const PATIENT: [(&str, &str); 5] = [
    ("RENEWD_CHARGE__LEASE", "60s"),
    ("RENEWD_CHARGE__SEND_WITHIN", "20s"),
    ("RENEWD_GATEWAY__CALL_TIMEOUT", "20s"),
    ("RENEWD_GATEWAY__FIRST_BYTE_TIMEOUT", "20s"),
    ("RENEWD_GATEWAY__CONNECT_TIMEOUT", "20s"),
];

/// Short waits, so that a stopped process loses its lease within a round; a lease must outlive a call and its wait.
pub const HASTY: [(&str, &str); 5] = [
    ("RENEWD_CHARGE__LEASE", "900ms"),
    ("RENEWD_CHARGE__SEND_WITHIN", "200ms"),
    ("RENEWD_GATEWAY__CALL_TIMEOUT", "600ms"),
    ("RENEWD_GATEWAY__FIRST_BYTE_TIMEOUT", "600ms"),
    ("RENEWD_GATEWAY__CONNECT_TIMEOUT", "600ms"),
];

/// How long a claim of a hasty run belongs to its process.
pub const HASTY_LEASE: Duration = Duration::from_millis(900);

const SETTINGS: [(&str, &str); 7] = [
    ("RENEWD_CHARGE__REPEATS_WITHIN", "300ms"),
    ("RENEWD_CHARGE__REPEATS_MAX", "2"),
    ("RENEWD_CHARGE__CONCURRENCY", "3"),
    ("PORTONE_STORE_ID", "store-simulator"),
    ("PORTONE_API_SECRET", "simulator-secret"),
    // A killed gateway is not worth minutes of probes.
    ("RENEWD_CHARGE__CIRCUIT_PROBES_MAX", "0"),
    ("RENEWD_LOG__FORMAT", "text"),
];

/// Runs on at the machine's pace from [`START`], and is moved on between runs.
#[derive(Clone)]
pub struct RoundClock {
    machine: TestClock,
    moved_micros: Arc<AtomicI64>,
}

#[async_trait]
impl Clock for RoundClock {
    fn now(&self) -> DateTime<Utc> {
        self.machine.now() + TimeDelta::microseconds(self.moved_micros.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        self.machine.uptime()
    }

    fn is_test(&self) -> bool {
        true
    }
}

impl RoundClock {
    fn start() -> Self {
        let machine = TestClock::starting_at(START.parse().expect("a time"));
        Self { machine, moved_micros: Arc::default() }
    }

    /// Lets time pass for the gateway and for the runs that start from now on.
    pub fn pass(&self, time: TimeDelta) {
        self.moved_micros.fetch_add(time.num_microseconds().expect("a short time"), Ordering::SeqCst);
    }
}

pub struct Ground {
    pub clock: RoundClock,
    pub simulator: Simulator,
    pub auditor: Auditor,
    pub canceled: Vec<Canceled>,
    folder: tempfile::TempDir,
    settings: Vec<(&'static str, String)>,
    workers: AtomicU32,
    subscriptions: u32,
}

/// A migrated, empty database on `server`; a `template` for [`Ground::open`].
pub async fn template(server: &PrivateServer) -> String {
    let url = server.database("template", "template1").await;
    fill(&url).await;
    let name = url.split('?').next().and_then(|address| address.rsplit('/').next());
    name.expect("a database's name").to_owned()
}

/// Migrates the empty database at `url`, and sells one plan there.
pub async fn fill(url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [("DATABASE_URL", url.to_owned())];
    let mut migration = Worker::start(&["migrate"], &settings, &folder.path().join("migrate"));
    assert!(migration.wait().await.success(), "{}", migration.said());
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    sqlx::query(
        "INSERT INTO plans (id, name, amount, currency, interval, tier, fallback_tier, order_name)
        VALUES ('pro', 'Pro', 55000, 'KRW', 'P1M', 'pro', 'free', 'Pro')",
    )
    .execute(&mut connection)
    .await
    .expect("a plan");
    connection.close().await.expect("a clean goodbye");
}

impl Ground {
    /// `latency`: from a charge's arrival at the gateway to its approval.
    pub async fn open(server: &PrivateServer, template: &str, latency: Duration) -> Self {
        Self::on(server.database("round", template).await, latency).await
    }

    /// The same on a database that [`fill`] has seen.
    pub async fn on(database_url: String, latency: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = folder.path().join("ledger");
        let clock = RoundClock::start();
        let mut settings = SimulatorSettings::new(Arc::new(clock.clone()));
        settings.model = ModelSettings { latency, ledger_file: Some(ledger.clone()), ..ModelSettings::default() };
        let simulator = Simulator::start(settings).await.expect("a simulated gateway");
        let settings = PATIENT
            .iter()
            .chain(&SETTINGS)
            .map(|(name, value)| (*name, (*value).to_owned()))
            .chain([("DATABASE_URL", database_url.clone()), ("PORTONE_API_BASE", simulator.base_url())]);
        Self {
            clock,
            simulator,
            auditor: Auditor { database_url, ledger },
            canceled: Vec::new(),
            folder,
            settings: settings.collect(),
            workers: AtomicU32::new(0),
            subscriptions: 0,
        }
    }

    /// The round's time, for a failing round's story.
    pub fn clock_text(&self) -> String {
        self.clock.now().format("%dT%H:%M:%S%.3f").to_string()
    }

    /// Sets a variable of the runs that start from now on.
    pub fn set(&mut self, name: &'static str, value: String) {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value));
    }

    /// How long the runs wait that start from now on: [`PATIENT`] or [`HASTY`].
    pub fn set_waits(&mut self, waits: &[(&'static str, &str)]) {
        waits.iter().for_each(|(name, time)| self.set(name, (*time).to_owned()));
    }

    /// A `renewd run` that goes by the round's clock.
    pub fn run(&self) -> Worker {
        self.worker(&["run"])
    }

    /// At this ground's time.
    pub fn worker(&self, command: &[&str]) -> Worker {
        let number = self.workers.fetch_add(1, Ordering::SeqCst);
        let now = self.clock.now().to_rfc3339();
        let command: Vec<&str> = command.iter().copied().chain(["--clock", &*now]).collect();
        Worker::start(&command, &self.settings, &self.folder.path().join(format!("run-{number}")))
    }

    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.auditor.database_url).await.expect("a server that is up")
    }

    /// What the API service does when people subscribe, one for each ending of a billing key; the subscriptions' ids.
    pub async fn subscribe(&mut self, endings: &[&str]) -> Vec<String> {
        let mut statements = String::new();
        let mut ids = Vec::new();
        for ending in endings {
            self.subscriptions += 1;
            let id = format!("s{}", self.subscriptions);
            let _ = write!(
                statements,
                "INSERT INTO customers (id, name, email, phone)
                    VALUES ('c-{id}', 'Kim', 'kim@example.com', '01000000000');
                INSERT INTO billing_keys (id, customer_id, billing_key) VALUES ('k-{id}', 'c-{id}', 'bk-{id}{ending}');
                INSERT INTO subscriptions (id, customer_id, plan_id, tier, current_period_start, current_period_end,
                    anchor_day) VALUES ('{id}', 'c-{id}', 'pro', 'pro', '{PERIOD_START}', '{PERIOD_END}', 31);"
            );
            ids.push(id);
        }
        self.execute(format!("BEGIN; {statements} COMMIT")).await;
        ids
    }

    /// The customer enters another card.
    pub async fn enter_key(&self, subscription: &str, billing_key: &str) {
        let customer = format!("c-{subscription}");
        self.execute(format!(
            "INSERT INTO billing_keys (id, customer_id, billing_key)
            VALUES ('k-{billing_key}', '{customer}', '{billing_key}') ON CONFLICT DO NOTHING"
        ))
        .await;
    }

    /// Cancels it, and writes down which attempts there were under the subscription's lock. A claim waits for that lock,
    /// so there may be no other attempt afterwards.
    pub async fn cancel(&mut self, subscription: &str) {
        let mut connection = self.connect().await;
        let mut transaction = connection.begin().await.expect("a transaction");
        sqlx::query("UPDATE subscriptions SET cancel_at_period_end = true, updated_at = now() WHERE id = $1")
            .bind(subscription)
            .execute(&mut *transaction)
            .await
            .expect("a cancellation");
        let attempts: Vec<String> = sqlx::query_scalar(
            "SELECT a.id::text FROM attempts a JOIN renewals r ON r.id = a.renewal_id WHERE r.subscription_id = $1",
        )
        .bind(subscription)
        .fetch_all(&mut *transaction)
        .await
        .expect("its attempts");
        transaction.commit().await.expect("a commit");
        self.canceled.push(Canceled { subscription_id: subscription.to_owned(), attempts });
    }

    /// Ends every connection that a run has; how many there were.
    pub async fn cut_connections(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'renewd'",
        )
        .fetch_one(&mut self.connect().await)
        .await
        .expect("a superuser may end connections")
    }

    pub async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&mut self.connect().await).await.expect("a count")
    }

    pub async fn execute(&self, statements: String) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.expect("the API service's own rows");
        connection.close().await.expect("a clean goodbye");
    }

    /// Fails the test with all that is wrong.
    pub async fn audit(&self, moment: Moment) {
        let wrong = self.auditor.wrong(&self.canceled, moment).await;
        if !wrong.is_empty() {
            let traces = self.auditor.traces(&wrong).await;
            panic!("{moment:?}:\n  {}\n{}", wrong.join("\n  "), traces.join("\n"));
        }
    }
}
