//! The command line: one file per command, each with its arguments, the call, the output. Commands decide nothing
//! about money: they ask the engine.

pub mod by_hand;
pub mod completions;
pub mod daemon;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod events;
pub mod figures;
mod health;
pub mod import;
pub mod link;
mod look_ahead;
pub mod migrate;
mod openapi;
pub mod output;
pub mod pause;
pub mod plan;
pub mod progress;
pub mod reconcile;
pub mod refund;
pub mod resolve;
pub mod retry;
pub mod run;
pub mod show;
pub mod simulator;
pub mod status;
mod token;

use crate::app::App;
use crate::config::{self, Config, Environment, Layers, Task};
use crate::shutdown::Shutdown;
use crate::systemd::Systemd;
use crate::telemetry;
use by_hand::user_of_process;
use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use error::CliError;
use output::{Mode, Output};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Renews subscriptions: charges stored PortOne V2 billing keys, at most once per period.
#[derive(Debug, Parser)]
#[command(name = "renewd", version = crate::version::WHOLE, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The settings file; every key and its default stand in config/renewd.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Tables for people, or one JSON document on stdout and nothing else there.
    #[arg(long, global = true, value_enum, default_value_t = Mode::Table)]
    pub output: Mode,
    /// A test clock: acts as if it were that time, everywhere. Refused when the gateway is a real one.
    #[arg(long, global = true, value_name = "RFC3339")]
    pub clock: Option<DateTime<Utc>>,
}

/// How long the runtime's threads may take to end, once the command has.
const THREADS_END_WITHIN: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The main job with nothing set up: a built-in PortOne, several hundred subscriptions, several business days.
    Demo(demo::Args),
    /// Create or upgrade the tables.
    Migrate(migrate::Args),
    /// Bring in plans, customers, billing keys and subscriptions from JSON lines; all or nothing.
    Import(import::Args),
    /// One run: plan, charge, verify, settle, downgrade, and exit.
    Run(run::Args),
    /// The same and all that belongs to it on cron schedules, until it is told to stop.
    Daemon(daemon::Args),
    /// Recent runs, what is open, and what needs a person.
    Status(status::Args),
    /// Everything about one subscription, renewal or payment, as a timeline.
    Show(show::Args),
    /// Compare what the gateway lists with what is recorded, both ways; settle what is certain, show the rest. Charges nothing.
    Reconcile(reconcile::Args),
    /// Announce what is going to be renewed, and find out early what would go wrong. Charges nothing.
    LookAhead(look_ahead::Args),
    /// Charge one renewal now, whatever its ladder says.
    Retry(retry::Args),
    /// Give a payment back, whole or in part.
    Refund(refund::Args),
    /// Answer a renewal under review: what became of it, and how you know.
    Resolve(resolve::Args),
    /// What was told to whom: list it, send it again, drop it, deliver what waits.
    Events(events::Args),
    /// The kill switch: no new charge starts anywhere until `resume`.
    Pause(pause::Args),
    /// Turn the kill switch off: charging goes on with the next run.
    Resume(pause::Args),
    /// What is wrong with this set-up, what it means for the money, and what to do. Changes nothing.
    Doctor(doctor::Args),
    /// Asks the daemon of this machine whether it is alive; exit code 0 or 1. For containers, where there is no shell.
    Health(health::Args),
    /// A PortOne V2 of our own on a loopback port, for rehearsals.
    Simulator(simulator::Args),
    /// A link by which one customer gives a new card.
    Link(link::Args),
    /// A bearer token for the API and the page of the daemon.
    Token(token::Args),
    /// The daemon's API, described as OpenAPI 3.1: what `GET /api/openapi.json` answers.
    Openapi(openapi::Args),
    /// What a shell needs to complete these commands.
    Completions(completions::Args),
}

/// Does what the command line says, and tells what went wrong: the whole program but for parsing.
pub fn run_to_exit_code(cli: Cli) -> u8 {
    leave_no_core_dump();
    crate::app::install_tls();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => return fail(&error::incomplete("the runtime cannot start").because(err)),
    };
    let code = match runtime.block_on(dispatch(cli)) {
        Ok(()) => 0,
        Err(err) => fail(&err),
    };
    // A name server that does not answer holds a thread; the work is done or left to a lease by now.
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    code
}

/// A core dump would hold the API secret and every billing key that is being charged.
fn leave_no_core_dump() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // A process may always ask for less.
    let _ = setrlimit(Resource::Core, none);
}

fn fail(error: &CliError) -> u8 {
    output::say(&error.render());
    error.kind.exit_code()
}

fn begin_log(level: &str, settings: &config::Log) -> Result<telemetry::Spans, CliError> {
    let look = telemetry::Look {
        format: settings.format,
        stderr_is_terminal: std::io::stderr().is_terminal(),
        google_project: settings.google_project.clone(),
        collector: settings.otlp_endpoint.clone(),
    };
    telemetry::init(level, &look).map_err(|err| error::usage("the log cannot be set up").because(err))
}

/// Tasks of one job share the work by claiming it; their starts are apart, so that they do not all plan the same page.
async fn wait_for_turn(task: Task, app: &App, shutdown: &Shutdown) {
    let (wait, number) = (task.starts_after(), task.index + 1);
    tracing::info!("task {number} of {} begins in {} ms", task.count, wait.as_millis());
    tokio::select! {
        biased;
        () = shutdown.wait() => {}
        () = app.clock.sleep(wait) => {}
    }
}

/// Does what the command line says.
///
/// # Errors
/// [`CliError`], whose kind is the exit code.
pub async fn dispatch(cli: Cli) -> Result<(), CliError> {
    if let Command::Completions(args) = &cli.command {
        return completions::run(args);
    }
    let environment = Environment::of_process()?;
    let output = Output::of_process(cli.global.output, &environment);
    if let Command::Token(args) = &cli.command {
        return token::run(args, &output);
    }
    if let Command::Openapi(args) = &cli.command {
        return openapi::run(args, &output);
    }
    if let Command::Doctor(args) = &cli.command {
        return doctor::run(args, &cli.global, environment, &output).await;
    }
    if let Command::Health(args) = &cli.command {
        return health::run(args, &cli.global, environment, &output).await;
    }
    let systemd = Systemd::of_environment(&environment, std::process::id());
    let (actor, task) = (user_of_process(&environment), Task::of(&environment)?);
    let config = Config::load(&Layers { file: cli.global.config.clone(), environment, flags: Vec::new() })?;
    // The demo is for a person who looks at its tables; the runs' own lines are for operations.
    let level = if matches!(cli.command, Command::Demo(_)) { "warn" } else { &config.log.level };
    // Dropped last, so that the last spans are sent, too.
    let _spans = begin_log(level, &config.log)?;
    let shutdown = Shutdown::new(config.charge.stop_within);
    shutdown.on_signals().map_err(|err| error::incomplete("signals cannot be listened to").because(err))?;
    if let Command::Demo(args) = cli.command {
        return demo::run(args, &output, &shutdown).await;
    }
    if let Command::Simulator(args) = cli.command {
        return simulator::run(args, &config, cli.global.clock, &output, &shutdown).await;
    }
    let app = Arc::new(App::new(config, cli.global.clock, actor)?);
    match cli.command {
        Command::Migrate(args) => migrate::run(&args, &app, &output).await,
        Command::Import(args) => import::run(&args, &app, &output).await,
        Command::Daemon(args) => {
            let systemd = systemd.map_err(|err| error::usage("NOTIFY_SOCKET cannot be used").because(err))?;
            daemon::run(&args, &app, systemd, &shutdown).await
        }
        Command::Run(args) => {
            if let Some(task) = task {
                wait_for_turn(task, &app, &shutdown).await;
            }
            run::run(&args, &app, &output, &shutdown).await
        }
        Command::Status(args) => status::run(&args, &app, &output).await,
        Command::Show(args) => show::run(&args, &app, &output).await,
        Command::Reconcile(args) => reconcile::run(&args, &app, &output, &shutdown).await,
        Command::LookAhead(args) => look_ahead::run(&args, &app, &output, &shutdown).await,
        Command::Retry(args) => retry::run(&args, &app, &output, &shutdown).await,
        Command::Refund(args) => refund::run(&args, &app, &output, &shutdown).await,
        Command::Resolve(args) => resolve::run(&args, &app, &output, &shutdown).await,
        Command::Link(args) => link::run(&args, &app, &output).await,
        Command::Events(args) => events::run(&args, &app, &output, &shutdown).await,
        Command::Pause(args) => pause::pause(&args, &app, &output).await,
        Command::Resume(args) => pause::resume(&args, &app, &output).await,
        Command::Demo(_)
        | Command::Simulator(_)
        | Command::Doctor(_)
        | Command::Health(_)
        | Command::Token(_)
        | Command::Openapi(_)
        | Command::Completions(_) => Ok(()),
    }
}
