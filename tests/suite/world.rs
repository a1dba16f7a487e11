//! A small business for tests: a real database, the real client, a simulated PortOne behind real HTTP, and a clock that
//! the test sets. Reads like the product: subscribe, run, look.

use crate::support;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use renewd::app::App;
use renewd::chance::Seeded;
use renewd::clock::Clock;
use renewd::config::{Config, Flag, Layers};
use renewd::domain::ids::SubscriptionId;
use renewd::engine::report::RunReport;
use renewd::engine::run::RunRequest;
use renewd::engine::{Engine, RunError, Silent, import};
use renewd::gateway::simulator::{Charge, Rule, Simulator, SimulatorSettings, Trouble, When};
use renewd::shutdown::Shutdown;
use renewd::store::Store;
use renewd::store::read::{AttemptRow, RenewalRow, Timeline};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Waits of the engine pass this many times faster than they would.
const HURRY: u32 = 100;

/// Ten in the morning of 30 January in Seoul: the day before [`PERIOD_END`].
pub const MORNING: &str = "2026-01-30T10:00:00+09:00";
pub const PERIOD_START: &str = "2025-12-31T00:00:00+09:00";
pub const PERIOD_END: &str = "2026-01-31T00:00:00+09:00";

/// Which database a world lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// A clock that stands still until the test moves it, and whose waits are short.
#[derive(Clone)]
pub struct WorldClock(Arc<AtomicI64>);

impl WorldClock {
    pub fn at(time: &str) -> Self {
        Self(Arc::new(AtomicI64::new(instant(time).timestamp_micros())))
    }

    pub fn pass(&self, time: TimeDelta) {
        self.0.fetch_add(time.num_microseconds().unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for WorldClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    /// Stands still with the time of day: what a test lets pass, passed for the stopwatch too.
    fn uptime(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time / HURRY).await;
    }

    fn is_test(&self) -> bool {
        true
    }
}

pub struct World {
    pub app: App,
    pub clock: WorldClock,
    pub store: Arc<dyn Store>,
    pub engine: Engine,
    pub simulator: Simulator,
    _file: support::sqlite::SqliteFile,
}

impl World {
    pub async fn new(on: On) -> Self {
        Self::with(on, &[]).await
    }

    /// With these settings beside the defaults.
    pub async fn with(on: On, settings: &[(&'static str, &str)]) -> Self {
        renewd::app::install_tls();
        let clock = WorldClock::at(MORNING);
        let simulator = Simulator::start(SimulatorSettings::new(Arc::new(clock.clone()))).await.unwrap();
        let file = support::sqlite::SqliteFile::in_memory();
        let url = match on {
            On::Sqlite => file.url(),
            On::Postgres => support::postgres::database("world").await,
        };
        let app = app(&clock, &url, &simulator.base_url(), settings);
        let store = app.database().await.unwrap();
        app.migrate(&*store).await.unwrap();
        let engine = app.engine(Arc::clone(&store), Arc::new(Silent)).await.unwrap();
        let world = Self { app, clock, store, engine, simulator, _file: file };
        world.import(PLAN).await;
        world
    }

    /// The same business, gateway and time, on the database of another URL from now on.
    pub async fn on_database(self, url: &str) -> Self {
        let app =
            App { config: config_at(&self.app, &self.simulator.base_url(), &[("database.url", url)]), ..self.app };
        let store = app.database().await.unwrap();
        let engine = app.engine(Arc::clone(&store), Arc::new(Silent)).await.unwrap();
        Self { app, store, engine, ..self }
    }

    pub async fn import(&self, lines: &str) {
        let settings = import::ImportSettings { zone: self.app.zone };
        import::write(&*self.store, import::lines(lines, &settings).unwrap()).await.unwrap();
    }

    /// A subscription to 55,000 won a month that ends tomorrow, with this billing key.
    pub async fn subscribe(&self, id: &str, billing_key: &str) {
        self.import(&customer(id)).await;
        self.import(&key(id, billing_key)).await;
        self.import(&subscription(id, false)).await;
    }

    /// The same for a month that ends then: `2026-02-03`, at midnight in Seoul.
    pub async fn subscribe_until(&self, id: &str, billing_key: &str, end: &str) {
        self.import(&customer(id)).await;
        self.import(&key(id, billing_key)).await;
        let line = subscription(id, false).replace(PERIOD_END, &format!("{end}T00:00:00+09:00"));
        self.import(&line).await;
    }

    /// The rows of a statement's one text column, past the store.
    pub async fn texts(&self, statement: &str) -> Vec<String> {
        let (url, sql) = (self.app.config.database.url.expose(), AssertSqlSafe(statement.to_owned()));
        if url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        } else {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        }
    }

    /// What was told of this kind, oldest first.
    pub async fn told(&self, kind: &str) -> Vec<serde_json::Value> {
        let rows =
            self.texts(&format!("SELECT CAST(payload AS text) FROM events WHERE kind = '{kind}' ORDER BY id")).await;
        rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
    }

    /// The API service sets the flag.
    pub async fn cancel(&self, id: &str) {
        self.import(&subscription(id, true)).await;
    }

    pub fn rule(&self, when: When, trouble: Trouble) {
        self.simulator.model().add_rule(Rule::new(when, trouble));
    }

    pub async fn run(&self) -> RunReport {
        self.try_run(&[]).await.unwrap()
    }

    pub async fn try_run(&self, only: &[&str]) -> Result<RunReport, RunError> {
        let request = RunRequest {
            trigger: "test".to_owned(),
            actor: "test".to_owned(),
            only: only.iter().map(|id| SubscriptionId::from(*id)).collect(),
            ..RunRequest::default()
        };
        self.run_as(request).await
    }

    pub async fn run_as(&self, request: RunRequest) -> Result<RunReport, RunError> {
        self.engine.run(&request, &Shutdown::new(Duration::from_secs(8))).await
    }

    /// Lets time pass, and runs.
    pub async fn run_after(&self, time: TimeDelta) -> RunReport {
        self.clock.pass(time);
        self.run().await
    }

    pub async fn timeline(&self, id: &str) -> Timeline {
        self.store.timeline(id).await.unwrap().unwrap()
    }

    /// The subscription's only renewal.
    pub async fn renewal(&self, id: &str) -> RenewalRow {
        let mut renewals = self.timeline(id).await.renewals;
        assert_eq!(renewals.len(), 1, "one renewal per period");
        renewals.remove(0)
    }

    pub async fn attempts(&self, id: &str) -> Vec<AttemptRow> {
        self.timeline(id).await.attempts
    }

    /// Where the subscription's period ends now.
    pub async fn period_end(&self, id: &str) -> DateTime<Utc> {
        self.timeline(id).await.subscription.current_period_end
    }

    /// What the gateway's ledger holds for the subscription.
    pub fn charges(&self, id: &str) -> Vec<Charge> {
        let model = self.simulator.model();
        model.ledger().charges().iter().filter(|charge| charge.subscription.as_deref() == Some(id)).cloned().collect()
    }
}

fn app(clock: &WorldClock, url: &str, base_url: &str, settings: &[(&'static str, &str)]) -> App {
    let flag = |key, value: &str| Flag { name: "test", key, value: value.to_owned() };
    let mut flags = vec![
        flag("database.url", url),
        flag("gateway.base_url", base_url),
        flag("gateway.store_id", "store-simulator"),
        flag("gateway.api_secret", "simulator-secret"),
    ];
    flags.extend(settings.iter().map(|(key, value)| flag(key, value)));
    let config = Config::load(&Layers { flags, ..Layers::default() }).unwrap();
    App {
        zone: config.business.zone,
        config,
        clock: Arc::new(clock.clone()),
        chance: Arc::new(Seeded::new(1)),
        actor: "test".to_owned(),
    }
}

/// The same settings with another gateway.
pub fn config_at(app: &App, base_url: &str, settings: &[(&'static str, &str)]) -> Config {
    let url = app.config.database.url.expose();
    self::app(&WorldClock::at(MORNING), url, base_url, settings).config
}

pub fn clone_app(app: &App) -> App {
    App {
        config: app.config.clone(),
        zone: app.zone,
        clock: Arc::clone(&app.clock),
        chance: Arc::clone(&app.chance),
        actor: app.actor.clone(),
    }
}

const PLAN: &str = r#"{"type":"plan","id":"pro","name":"Pro","amount":55000,"currency":"KRW","interval":"P1M","tier":"pro","fallback_tier":"free","order_name":"Pro"}"#;

fn customer(id: &str) -> String {
    format!(
        r#"{{"type":"customer","id":"user-{id}","name":"김하늘","email":"{id}@example.com","phone":"01000000000"}}"#
    )
}

/// The import line of a billing key of the subscription's customer.
pub fn key(id: &str, billing_key: &str) -> String {
    format!(r#"{{"type":"billing_key","customer":"user-{id}","billing_key":"{billing_key}"}}"#)
}

fn subscription(id: &str, canceled: bool) -> String {
    format!(
        r#"{{"type":"subscription","id":"{id}","customer":"user-{id}","plan":"pro","current_period_start":"{PERIOD_START}","current_period_end":"{PERIOD_END}","anchor_day":31,"cancel_at_period_end":{canceled}}}"#
    )
}

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Each test once on each database.
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::world::On::Sqlite).await;
            })+
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::world::On::Postgres).await;
            })+
        }
    };
}
