//! A flood of webhooks: a third new, a third repeats, a third forged. None may be lost, and none may settle what the
//! gateway does not show as paid.
//!
//! ```text
//! cargo bench --bench webhooks -- --rate 2000 --seconds 30 --store sqlite
//! cargo bench --bench webhooks -- --rate 2000 --seconds 30 --store postgres
//! ```
//!
//! The daemon and the simulated PortOne are processes of their own; the sender is this one. Messages are sent at their time
//! whether or not earlier ones were answered, and one that is refused for now is sent again, as PortOne does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    dead_code,
    unused_imports,
    reason = "a measurement that cannot go on ends by saying so, and it measures by the machine's clock"
)]

mod ground;
#[path = "../tests/suite/support/mod.rs"]
mod support;

use chrono::Utc;
use clap::{Parser, ValueEnum};
use ground::{SimulatorProcess, cpu_seconds, fill, peak_mebibytes};
use renewd::app::App;
use renewd::config::{Config, Flag, Layers};
use renewd::domain::ids::SubscriptionId;
use renewd::engine::Silent;
use renewd::engine::run::RunRequest;
use renewd::shutdown::Shutdown;
use renewd::store::Store;
use reqwest::{Client, StatusCode};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SECRET: &str = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGVzdHM=";
const WRONG_SECRET: &str = "whsec_bm90IHRoZSByaWdodCBzZWNyZXQ=";

/// Half of their payments are paid at the gateway while the flood comes, the others stay pending.
const SUBSCRIPTIONS: u32 = 2_000;

/// How long what was kept may take to be looked into, when the flood is over.
const LOOKED_INTO_WITHIN: Duration = Duration::from_secs(120);

#[derive(Parser)]
struct Args {
    /// Messages a second.
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Kind::Sqlite)]
    store: Kind,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

/// What a message is, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    New,
    Repeat,
    Forged,
}

/// How one message was answered.
struct Told {
    message: Message,
    status: StatusCode,
    took: Duration,
    sent_again: u32,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    renewd::app::install_tls();
    let simulator = SimulatorProcess::start(Duration::ZERO);
    let file = support::sqlite::SqliteFile::new();
    let url = match args.store {
        Kind::Sqlite => file.url(),
        Kind::Postgres => support::postgres::durable_database("webhooks").await,
    };
    let flags = flags(&url, &simulator.base_url);
    let payments = leave_unknown(&flags, &simulator.base_url).await;
    let daemon = Daemon::start(&flags);
    let (cpu, told) = (cpu_seconds(&daemon.process()), flood(&args, &daemon.url, &Arc::new(payments)).await);
    let waited = look_into_all(&url).await;
    let cpu = cpu_seconds(&daemon.process()) - cpu;
    let counts = check(&args, &url, &told).await;
    print(&args, told, (waited, cpu, peak_mebibytes(&daemon.process())), counts);
}

fn flags(url: &str, base_url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("database.url", url.to_owned()),
        ("gateway.base_url", base_url.to_owned()),
        ("gateway.store_id", "store-simulator".to_owned()),
        ("gateway.api_secret", "simulator-secret".to_owned()),
        ("gateway.webhook_secret", SECRET.to_owned()),
        ("server.listen", "127.0.0.1:0".to_owned()),
        ("charge.window", "00:00-24:00".to_owned()),
        ("charge.quiet", "03:33-03:34".to_owned()),
        ("dunning.time_of_day", "10:00".to_owned()),
        // What is pending is left to the webhooks, and not waited for.
        ("charge.repeats_max", "0".to_owned()),
        // A thousand in a row are pending on purpose: that is no channel that is down.
        ("charge.circuit_unknown_in_a_row", "10000".to_owned()),
    ]
}

/// Charges that the gateway has pending: half of them for some seconds, half of them for days. Answers their payments.
async fn leave_unknown(flags: &[(&'static str, String)], base_url: &str) -> Vec<String> {
    let flags: Vec<Flag> = flags.iter().map(|(key, value)| Flag { name: "bench", key, value: value.clone() }).collect();
    let config = Config::load(&Layers { flags, ..Layers::default() }).unwrap();
    let app = App::new(config, None, "bench".to_owned()).unwrap();
    let store = app.database().await.unwrap();
    app.migrate(&*store).await.unwrap();
    fill(&*store, SUBSCRIPTIONS).await;
    let engine = app.engine(Arc::clone(&store), Arc::new(Silent)).await.unwrap();
    for (half, secs) in [(0, 20), (1, 1_000_000)] {
        let rule = json!({ "when": "always", "trouble": { "kind": "pending", "secs": secs, "then_paid": true } });
        let rules = format!("{base_url}/_simulator/rules");
        Client::new().delete(&rules).header("authorization", "PortOne simulator-secret").send().await.unwrap();
        let told = Client::new().post(&rules).header("authorization", "PortOne simulator-secret");
        assert!(told.body(rule.to_string()).send().await.unwrap().status().is_success());
        let only = (0..SUBSCRIPTIONS).filter(|n| n % 2 == half).map(|n| SubscriptionId(format!("sub_{n}"))).collect();
        let request =
            RunRequest { trigger: "bench".to_owned(), actor: "bench".to_owned(), only, ..RunRequest::default() };
        let report = engine.run(&request, &Shutdown::new(Duration::from_secs(8))).await.unwrap();
        assert_eq!(report.unknown, u64::from(SUBSCRIPTIONS / 2), "{report:?}");
    }
    payments(&*store).await
}

async fn payments(store: &dyn Store) -> Vec<String> {
    let mut payments = Vec::new();
    for number in 0..SUBSCRIPTIONS {
        let timeline = store.timeline(&format!("sub_{number}")).await.unwrap().unwrap();
        payments.push(timeline.renewals[0].payment_id.clone());
    }
    payments
}

/// Sends all messages at their times; returns when each has its last answer.
async fn flood(args: &Args, url: &str, payments: &Arc<Vec<String>>) -> Vec<Told> {
    let client = Client::builder().timeout(Duration::from_secs(30)).pool_max_idle_per_host(256).build().unwrap();
    let (url, started) = (format!("{url}/webhooks/portone"), Instant::now());
    let mut sending = JoinSet::new();
    for number in 0..args.rate * args.seconds {
        let at = started + Duration::from_secs_f64(f64::from(number) / f64::from(args.rate));
        tokio::time::sleep_until(at.into()).await;
        let (client, url, payments) = (client.clone(), url.clone(), Arc::clone(payments));
        sending.spawn(async move { send(&client, &url, &payments, number).await });
    }
    sending.join_all().await
}

/// The messages come in threes: a new one, the one before last again, and a forged one.
async fn send(client: &Client, url: &str, payments: &[String], number: u32) -> Told {
    let (message, named, secret) = match number % 3 {
        0 => (Message::New, number, SECRET),
        1 => (Message::Repeat, (number - 1).saturating_sub(3), SECRET),
        // Whatever it names, it is not PortOne's.
        _ => (Message::Forged, number, WRONG_SECRET),
    };
    let payment = &payments[(named / 3) as usize % payments.len()];
    let id = format!("wh-{named}");
    let kind = if named.is_multiple_of(2) { "Transaction.Paid" } else { "Transaction.Failed" };
    let body =
        json!({ "type": kind, "timestamp": Utc::now(), "data": { "storeId": "store-simulator", "paymentId": payment } })
            .to_string();
    let (started, mut sent_again) = (Instant::now(), 0);
    loop {
        let (now, checker) = (Utc::now().timestamp(), standardwebhooks::Webhook::new(secret).unwrap());
        let signature = checker.sign(&id, now, body.as_bytes()).unwrap();
        let request = client.post(url).header("webhook-id", &id).header("webhook-timestamp", now.to_string());
        let answer = request.header("webhook-signature", signature).body(body.clone()).send().await;
        let took = started.elapsed();
        match answer.map(|answer| answer.status()) {
            Ok(status) if status != StatusCode::SERVICE_UNAVAILABLE => {
                return Told { message, status, took, sent_again };
            }
            _ if sent_again >= 60 => panic!("message {number} was never taken"),
            _ => {
                sent_again += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Waits until nothing that was kept waits for its first look; answers how long that took.
async fn look_into_all(url: &str) -> Duration {
    let started = Instant::now();
    while count(url, "webhooks WHERE tries = 0").await > 0 {
        assert!(started.elapsed() < LOOKED_INTO_WITHIN, "messages are not looked into");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // The last page is looked up and settled, and no look-up of a renewal is under way.
    let (paid, claimed) = ("renewals WHERE state = 'paid'", "renewals WHERE state = 'charging'");
    while count(url, paid).await < i64::from(SUBSCRIPTIONS / 2) || count(url, claimed).await > 0 {
        assert!(started.elapsed() < LOOKED_INTO_WITHIN, "payments that were told are not settled");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    started.elapsed()
}

/// None lost, and none settled wrongly. Answers how many renewals are paid and unknown.
async fn check(args: &Args, url: &str, told: &[Told]) -> (i64, i64) {
    let new = i64::from((args.rate * args.seconds).div_ceil(3));
    for one in told {
        let expected = if one.message == Message::Forged { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        assert_eq!(one.status, expected, "{:?}", one.message);
    }
    assert_eq!(count(url, "webhooks").await, new, "each message once, and no forged one");
    let half = i64::from(SUBSCRIPTIONS / 2);
    let (paid, unknown) =
        (count(url, "renewals WHERE state = 'paid'").await, count(url, "renewals WHERE state = 'unknown'").await);
    assert_eq!((paid, unknown), (half, half), "paid are those that the gateway shows as paid, and no others");
    assert_eq!(count(url, "payments WHERE verified").await, half);
    (paid, unknown)
}

async fn count(url: &str, from: &str) -> i64 {
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {from}"));
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }
}

fn print(args: &Args, told: Vec<Told>, (waited, cpu, peak): (Duration, f64, f64), (paid, unknown): (i64, i64)) {
    let number = |message| told.iter().filter(|one| one.message == message).count();
    println!(
        "store {:?}, {} a second for {} s: {} new, {} repeats, {} forged",
        args.store,
        args.rate,
        args.seconds,
        number(Message::New),
        number(Message::Repeat),
        number(Message::Forged)
    );
    println!("  lost                  0");
    println!("  settled               {paid} paid, {unknown} left unknown, as the gateway has them");
    println!("  sent again            {}", told.iter().map(|one| one.sent_again).sum::<u32>());
    let mut took: Vec<Duration> =
        told.iter().filter(|one| one.message != Message::Forged).map(|one| one.took).collect();
    took.sort();
    for share in [50, 95, 99, 100] {
        let place = (took.len() * share / 100).clamp(1, took.len()) - 1;
        println!("  answered within (p{share:<3}) {:8.1} ms", took[place].as_secs_f64() * 1000.0);
    }
    println!("  looked into           {:8.1} s after the last", waited.as_secs_f64());
    println!("  daemon CPU            {:8.3} ms per message", cpu * 1000.0 / told.len() as f64);
    println!("  daemon peak memory    {peak:8.1} MiB");
}

/// `renewd daemon`, stopped with this process.
struct Daemon {
    child: Child,
    url: String,
}

impl Daemon {
    fn start(flags: &[(&'static str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_renewd"));
        for (key, value) in flags {
            command.env(format!("RENEWD_{}", key.replace('.', "__").to_uppercase()), value);
        }
        let mut child = command.arg("daemon").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut url = None;
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some(at) = line.find("http://") {
                url = Some(line[at..].split(['"', ' ']).next().unwrap().to_owned());
            }
            if line.contains("the daemon is up") {
                break;
            }
        }
        // What it says from now on is read, so that it never waits for its reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, url: url.expect("the daemon's address") }
    }

    fn process(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
