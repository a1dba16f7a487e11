//! How fast runs drain what is due, beside what the database could do at most, and beside others who do the same work.
//!
//! ```text
//! cargo bench --bench renewals -- --due 20000 --latency 0ms --concurrency 64 --store postgres --rounds 5
//! cargo bench --bench renewals -- --due 10000 --latency 500ms --concurrency 200 --store postgres --processes 2
//! ```
//!
//! Workers and the simulated PortOne are processes of their own, with real HTTP and a real, durable database; each renewal
//! is a charge and a look-up. Every round has databases of its own, and takes the ceiling first. A round in which a
//! renewal is not paid, or a payment id is charged twice, ends the measurement.
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

use clap::{Parser, ValueEnum};
use ground::bare::{self, Bare};
use ground::server::{self, Counted};
use ground::{SimulatorProcess, Used, bystanders, cpu_seconds, explain, fill, load, median, program, work};
use renewd::app::App;
use renewd::config::{Config, Flag, Layers};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

/// A renewal is one charge and one look-up.
const REQUESTS: u32 = 2;

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 10_000)]
    due: u32,
    /// Subscriptions beside those, that are not due; on PostgreSQL only.
    #[arg(long, default_value_t = 0)]
    others: u32,
    /// Of each request.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Charges at a time, of each process.
    #[arg(long, default_value_t = 64)]
    concurrency: u32,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    processes: u32,
    #[arg(long, value_enum, default_value_t = Kind::Postgres)]
    store: Kind,
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Runs of each round, one after the other on the same tables, each when the period that the last one paid for ends.
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// Rows a statement of the ceiling; 0 leaves the ceiling out.
    #[arg(long, default_value_t = 200)]
    ceiling_rows: u32,
    /// Others on the bare tables, PostgreSQL only: NAME=PROGRAM; repeatable. See benches/peers/README.md.
    #[arg(long = "peer", value_name = "NAME=PROGRAM")]
    peers: Vec<String>,
    /// A setting of renewd, such as charge.claim_rows_max=20; repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Prints the statements that took the server's time.
    #[arg(long)]
    profile: bool,
    /// Prints how PostgreSQL went about the statements of a run, each when it took longest.
    #[arg(long)]
    explain: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

/// Renewals a second, in each round.
#[derive(Default)]
struct Rates {
    ceiling: Vec<f64>,
    renewd: Vec<f64>,
    peers: Vec<Vec<f64>>,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    renewd::app::install_tls();
    println!(
        "store {:?}, {} due, {} others, latency {:?}, concurrency {}, processes {}",
        args.store, args.due, args.others, args.latency, args.concurrency, args.processes
    );
    let mut rates = Rates { peers: vec![Vec::new(); args.peers.len()], ..Rates::default() };
    for round in 1..=args.rounds {
        println!("round {round}, load {:.1}", load());
        if args.ceiling_rows > 0 {
            rates.ceiling.push(ceiling(&args).await);
        }
        rates.renewd.push(renewd(&args).await);
        for (number, named) in args.peers.iter().enumerate() {
            rates.peers[number].push(peer(&args, named).await);
        }
    }
    summary(&args, rates);
}

fn summary(args: &Args, rates: Rates) {
    let renewd = median(rates.renewd);
    println!("medians of {} rounds, load {:.1}", args.rounds, load());
    println!("  renewd {renewd:.0} renewals/s");
    if !rates.ceiling.is_empty() {
        let ceiling = median(rates.ceiling);
        println!("  ceiling {ceiling:.0} renewals/s; renewd ÷ ceiling {:.2}", renewd / ceiling);
    }
    for (named, rates) in args.peers.iter().zip(rates.peers) {
        let (name, rate) = (named.split('=').next().unwrap(), median(rates));
        println!("  {name} {rate:.0} renewals/s; renewd ÷ {name} {:.1}", renewd / rate);
    }
}

/// A database for as long as it is needed.
enum Place {
    Sqlite(support::sqlite::SqliteFile),
    Postgres(String),
}

impl Place {
    async fn new(kind: Kind, name: &str) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(support::sqlite::SqliteFile::new()),
            Kind::Postgres => Self::Postgres(support::postgres::measured_database(name).await),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite(file) => file.url(),
            Self::Postgres(url) => url.clone(),
        }
    }

    async fn forget(&self) {
        if let Self::Postgres(url) = self {
            server::forget(url).await;
        }
    }

    async fn counted(&self) -> Option<Counted> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(url) => Some(server::counted(url).await),
        }
    }
}

async fn ceiling(args: &Args) -> f64 {
    let place = Place::new(args.store, "ceiling").await;
    let bare = Bare::fill(&place.url(), args.due).await;
    let took = bare.drain(args.ceiling_rows).await;
    let rate = f64::from(args.due) / took.as_secs_f64();
    println!("  ceiling, {} rows a statement: {rate:.0} renewals/s", args.ceiling_rows);
    rate
}

async fn renewd(args: &Args) -> f64 {
    let place = Place::new(args.store, "renewals").await;
    let simulator = SimulatorProcess::start(args.latency);
    let settings = settings(args, &place.url(), &simulator.base_url);
    prepare(args, &settings, &place).await;
    place.forget().await;
    if args.explain {
        explain::begin(&place.url()).await;
    }
    let used = work((0..args.processes).map(|_| worker(&settings)).collect());
    let paid: u64 = used.printed.iter().map(|printed| paid_of(printed)).sum();
    assert_eq!(paid, u64::from(args.due), "a run that loses renewals measures nothing: {:?}", used.printed);
    let counted = place.counted().await;
    print(args, "renewd", &used, cpu_seconds(&simulator.process()), counted);
    profile(args, &place).await;
    if args.explain {
        explain::told(&place.url()).into_iter().for_each(|plan| println!("{plan}"));
    }
    let rate = once_each(args, &simulator, &used).await;
    if args.runs > 1 {
        more_runs(args, &settings, &place).await;
    }
    rate
}

/// The runs of later periods, and how they left the tables.
async fn more_runs(args: &Args, settings: &[(String, String)], place: &Place) {
    let Place::Postgres(url) = place else { panic!("--runs is for PostgreSQL") };
    for run in 2..=args.runs {
        let at = server::periods_end(url).await.to_rfc3339();
        let simulator = SimulatorProcess::start_at(args.latency, &at);
        let mut worker = worker(settings);
        worker.args(["--clock", &at]).env("RENEWD_GATEWAY__BASE_URL", &simulator.base_url);
        place.forget().await;
        let used = work(vec![worker]);
        let paid = paid_of(&used.printed[0]);
        assert_eq!((paid, simulator.told().await.charges.len()), (u64::from(args.due), args.due as usize), "run {run}");
        println!("  run {run}");
        print(args, "renewd", &used, cpu_seconds(&simulator.process()), place.counted().await);
    }
    for table in server::tables(url).await {
        println!("  {table}");
    }
}

/// What was charged is asked of the gateway, not of whoever charged. Answers renewals a second.
async fn once_each(args: &Args, simulator: &SimulatorProcess, used: &Used) -> f64 {
    let told = simulator.told().await;
    let ids: BTreeSet<&str> = told.charges.iter().map(|charge| charge.payment_id.as_str()).collect();
    assert_eq!((told.charges.len(), ids.len()), (args.due as usize, args.due as usize), "charged twice, or not at all");
    let first = told.charges.iter().map(|charge| charge.at).min().unwrap() - used.began;
    println!("    first charge {:.2} s after the start; requests {:?}", first.as_seconds_f64(), told.requests);
    f64::from(args.due) / used.took.as_secs_f64()
}

async fn peer(args: &Args, named: &str) -> f64 {
    assert_eq!(args.store, Kind::Postgres, "peers work on PostgreSQL");
    let (name, path) = named.split_once('=').expect("NAME=PROGRAM");
    let place = Place::new(args.store, "peer").await;
    drop(Bare::fill(&place.url(), args.due).await);
    let simulator = SimulatorProcess::start(args.latency);
    let command = |argument: &str| {
        let mut command = Command::new(path);
        command.arg(argument).env("CONCURRENCY", args.concurrency.to_string());
        command.env("DATABASE_URL", place.url()).env("PORTONE_API_BASE", &simulator.base_url);
        command
    };
    // Building itself and filling its queue are not what is measured.
    let prepared = command("prepare").status().unwrap();
    assert!(prepared.success(), "{name} is not prepared: {prepared}");
    place.forget().await;
    let used = work(vec![command("work")]);
    let counted = place.counted().await;
    assert_eq!(bare::paid(&place.url()).await, i64::from(args.due), "{name} did not do all of it");
    print(args, name, &used, cpu_seconds(&simulator.process()), counted);
    once_each(args, &simulator, &used).await
}

fn print(args: &Args, who: &str, used: &Used, simulator_cpu: f64, counted: Option<Counted>) {
    let due = f64::from(args.due);
    let slots = f64::from(args.concurrency * args.processes);
    let ideal = args.latency.as_secs_f64() * due * f64::from(REQUESTS) / slots;
    let took = used.took.as_secs_f64();
    println!("  {who}: {:.0} renewals/s ({took:.2} s)", due / took);
    if !args.latency.is_zero() {
        println!("    took ÷ ideal {:.3} (ideal {ideal:.2} s)", took / ideal);
    }
    println!(
        "    CPU {:.3} ms a renewal (the simulator's {:.3}), peak memory {:.1} MiB",
        used.cpu * 1000.0 / due,
        simulator_cpu * 1000.0 / due,
        used.peak
    );
    if let Some(counted) = counted {
        let each = |count: i64| count as f64 / due;
        println!(
            "    a renewal: {:.4} statements, {:.4} commits, {:.4} fsyncs, {:.0} bytes of WAL, {:.0} blocks",
            each(counted.statements),
            each(counted.commits),
            each(counted.fsyncs),
            each(counted.wal_bytes),
            each(counted.blocks)
        );
    }
}

/// Where the time of the server went.
async fn profile(args: &Args, place: &Place) {
    let (true, Place::Postgres(url)) = (args.profile, place) else { return };
    println!("    {:>7} {:>9} {:>10} {:>10}  statement", "calls", "ms", "blocks", "WAL bytes");
    for share in server::shares(url).await {
        println!(
            "    {:>7} {:>9.0} {:>10} {:>10}  {}",
            share.calls, share.milliseconds, share.blocks, share.wal_bytes, share.statement
        );
    }
}

fn settings(args: &Args, url: &str, base_url: &str) -> Vec<(String, String)> {
    let own = [
        ("database.url", url),
        ("gateway.base_url", base_url),
        ("gateway.store_id", "store-simulator"),
        ("gateway.api_secret", "simulator-secret"),
        ("charge.concurrency", &args.concurrency.to_string()),
        // Measured at any time of day, and however many are due.
        ("charge.window", "00:00-24:00"),
        ("charge.quiet", "03:33-03:34"),
        ("dunning.time_of_day", "10:00"),
        ("brakes.growth_percent_max", "0"),
        // Renewing is measured, and not who is told of it afterwards.
        ("notify.deliver_within", "0s"),
    ];
    let given = args.settings.iter().map(|given| given.split_once('=').expect("KEY=VALUE"));
    own.into_iter().chain(given).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Tables, and what is due on them.
async fn prepare(args: &Args, settings: &[(String, String)], place: &Place) {
    let flag = |(key, value): &(String, String)| Flag { name: "bench", key: key.clone().leak(), value: value.clone() };
    let config = Config::load(&Layers { flags: settings.iter().map(flag).collect(), ..Layers::default() }).unwrap();
    let app = App::new(config, None, "bench".to_owned()).unwrap();
    let store = app.database().await.unwrap();
    app.migrate(&*store).await.unwrap();
    fill(&*store, args.due).await;
    if args.store == Kind::Postgres {
        bystanders(&place.url(), args.others).await;
    }
}

fn worker(settings: &[(String, String)]) -> Command {
    let mut command = program(&["run", "--output", "json"]);
    for (key, value) in settings {
        command.env(format!("RENEWD_{}", key.replace('.', "__").to_uppercase()), value);
    }
    command
}

fn paid_of(printed: &str) -> u64 {
    let report: serde_json::Value = serde_json::from_str(printed).unwrap();
    report["paid"].as_u64().unwrap()
}
