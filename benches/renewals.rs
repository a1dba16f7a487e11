//! How fast a run drains what is due, against the ideal: `due × requests × latency ÷ concurrency`.
//!
//! ```text
//! cargo bench --bench renewals -- --due 10000 --latency 50ms --concurrency 64 --store sqlite
//! cargo bench --bench renewals -- --due 10000 --latency 50ms --concurrency 64 --store postgres
//! ```
//!
//! The engine, the client and the database are the real ones, with full durability. The simulated PortOne is a process
//! of its own, so that the CPU time and the memory that are printed are the worker's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    dead_code,
    reason = "a measurement that cannot go on ends by saying so, and it measures by the machine's clock"
)]

#[path = "../tests/suite/support/mod.rs"]
mod support;

use chrono::{TimeDelta, Utc};
use clap::{Parser, ValueEnum};
use renewd::app::App;
use renewd::config::{Config, Flag, Layers};
use renewd::domain::charge::BillingKey;
use renewd::engine::run::RunRequest;
use renewd::engine::{Silent, report::RunReport};
use renewd::shutdown::Shutdown;
use renewd::store::{BillingKeyRow, CustomerRow, ImportBatch, PlanRow, Store, SubscriptionRow};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A renewal is one charge and one look-up.
const REQUESTS: u32 = 2;
/// Subscriptions written by one import.
const IMPORT_ROWS: u32 = 10_000;

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 10_000)]
    due: u32,
    /// Of each request.
    #[arg(long, default_value = "50ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    #[arg(long, default_value_t = 64)]
    concurrency: u32,
    #[arg(long, value_enum, default_value_t = Kind::Sqlite)]
    store: Kind,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    renewd::app::install_tls();
    let simulator = SimulatorProcess::start(args.latency);
    let file = support::sqlite::SqliteFile::new();
    let url = match args.store {
        Kind::Sqlite => file.url(),
        Kind::Postgres => support::postgres::durable_database("renewals").await,
    };
    let app = app(&args, &url, &simulator.base_url);
    let store = app.database().await.unwrap();
    app.migrate(&*store).await.unwrap();
    fill(&*store, args.due).await;
    let engine = app.engine(Arc::clone(&store), Arc::new(Silent)).await.unwrap();

    let (cpu, started) = (cpu_seconds(), Instant::now());
    let request = RunRequest { trigger: "bench".to_owned(), actor: "bench".to_owned(), ..RunRequest::default() };
    let report = engine.run(&request, &Shutdown::new(Duration::from_secs(8))).await.unwrap();
    let (took, cpu) = (started.elapsed(), cpu_seconds() - cpu);
    assert_eq!(report.paid, u64::from(args.due), "a run that loses renewals measures nothing: {report:?}");
    print(&args, &report, took, cpu);
}

fn print(args: &Args, report: &RunReport, took: Duration, cpu: f64) {
    let ideal = args.latency.as_secs_f64() * f64::from(args.due * REQUESTS) / f64::from(args.concurrency);
    let due = f64::from(args.due);
    println!(
        "store {:?}, {} due, {} paid, latency {:?}, concurrency {}",
        args.store, args.due, report.paid, args.latency, args.concurrency
    );
    println!("  took                {:8.2} s", took.as_secs_f64());
    println!("  ideal               {ideal:8.2} s");
    println!("  took / ideal        {:8.3}", took.as_secs_f64() / ideal);
    println!("  renewals per second {:8.0}", due / took.as_secs_f64());
    println!("  worker CPU          {:8.3} ms per renewal", cpu * 1000.0 / due);
    println!("  peak memory         {:8.1} MiB", peak_mebibytes());
}

fn app(args: &Args, url: &str, base_url: &str) -> App {
    let flag = |key, value: String| Flag { name: "bench", key, value };
    let flags = vec![
        flag("database.url", url.to_owned()),
        flag("gateway.base_url", base_url.to_owned()),
        flag("gateway.store_id", "store-simulator".to_owned()),
        flag("gateway.api_secret", "simulator-secret".to_owned()),
        flag("charge.concurrency", args.concurrency.to_string()),
        // Measured at any time of day.
        flag("charge.window", "00:00-24:00".to_owned()),
        flag("charge.quiet", "03:33-03:34".to_owned()),
        flag("dunning.time_of_day", "10:00".to_owned()),
    ];
    let config = Config::load(&Layers { flags, ..Layers::default() }).unwrap();
    App::new(config, None, "bench".to_owned()).unwrap()
}

/// `due` subscriptions that end within the hour.
async fn fill(store: &dyn Store, due: u32) {
    let end = Utc::now();
    let plan = PlanRow {
        id: "pro".to_owned(),
        name: "Pro".to_owned(),
        amount: 55_000,
        currency: "KRW".to_owned(),
        interval: "P1M".to_owned(),
        tier: "pro".to_owned(),
        fallback_tier: "free".to_owned(),
        order_name: "Pro".to_owned(),
    };
    for first in (0..due).step_by(IMPORT_ROWS as usize) {
        let numbers = first..due.min(first + IMPORT_ROWS);
        let batch = ImportBatch {
            plans: vec![plan.clone()],
            customers: numbers
                .clone()
                .map(|n| CustomerRow { id: format!("user_{n}"), name: None, email: None, phone: None })
                .collect(),
            billing_keys: numbers
                .clone()
                .map(|n| BillingKeyRow {
                    id: format!("bk_{n}"),
                    customer_id: format!("user_{n}"),
                    billing_key: BillingKey::new(format!("billing-key-{n}")),
                    channel_key: None,
                    pg_provider: None,
                })
                .collect(),
            subscriptions: numbers
                .map(|n| SubscriptionRow {
                    id: format!("sub_{n}"),
                    customer_id: format!("user_{n}"),
                    plan_id: "pro".to_owned(),
                    next_plan_id: None,
                    current_period_start: end - TimeDelta::days(30),
                    current_period_end: end,
                    anchor_day: 15,
                    cancel_at_period_end: false,
                })
                .collect(),
        };
        store.import(batch).await.unwrap();
    }
}

/// `renewd simulator`, stopped with this process.
struct SimulatorProcess {
    child: Child,
    base_url: String,
}

impl SimulatorProcess {
    fn start(latency: Duration) -> Self {
        let latency = humantime::format_duration(latency).to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_renewd"))
            .args(["simulator", "--request-latency", &latency])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base_url = line.trim().strip_prefix("PORTONE_API_BASE=").expect("the simulator's address").to_owned();
        Self { child, base_url }
    }
}

impl Drop for SimulatorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of this process, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in clock ticks, of which Linux tells user space a hundred a second.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn peak_mebibytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
