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

mod ground;
#[path = "../tests/suite/support/mod.rs"]
mod support;

use clap::{Parser, ValueEnum};
use ground::{SimulatorProcess, cpu_seconds, fill, peak_mebibytes};
use renewd::app::App;
use renewd::config::{Config, Flag, Layers};
use renewd::engine::run::RunRequest;
use renewd::engine::{Silent, report::RunReport};
use renewd::shutdown::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A renewal is one charge and one look-up.
const REQUESTS: u32 = 2;

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

    let (cpu, started) = (cpu_seconds("self"), Instant::now());
    let request = RunRequest { trigger: "bench".to_owned(), actor: "bench".to_owned(), ..RunRequest::default() };
    let report = engine.run(&request, &Shutdown::new(Duration::from_secs(8))).await.unwrap();
    let (took, cpu) = (started.elapsed(), cpu_seconds("self") - cpu);
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
    println!("  peak memory         {:8.1} MiB", peak_mebibytes("self"));
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
