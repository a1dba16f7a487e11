//! `renewd simulator`

use super::error::{CliError, incomplete, usage};
use super::output::Output;
use crate::clock::{Clock, SystemClock, TestClock};
use crate::config::Config;
use crate::gateway::simulator::{ModelSettings, Simulator, SimulatorSettings};
use crate::shutdown::Shutdown;
use chrono::{DateTime, Utc};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A loopback address; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// From a charge's arrival to its approval, such as 50ms.
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// What every request takes beside that, such as 20ms.
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = humantime::parse_duration)]
    request_latency: Duration,
    /// The same seed and the same requests give the same answers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What really happened to the money, one JSON object a line, on disk before each answer.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

pub async fn run(
    args: Args,
    config: &Config,
    test_clock: Option<DateTime<Utc>>,
    output: &Output,
    shutdown: &Shutdown,
) -> Result<(), CliError> {
    if !args.listen.ip().is_loopback() {
        return Err(usage(format!(
            "{} is not a loopback address: the simulator serves this machine only",
            args.listen
        )));
    }
    let clock: Arc<dyn Clock> = match test_clock {
        Some(start) => Arc::new(TestClock::starting_at(start)),
        None => Arc::new(SystemClock),
    };
    let mut settings = SimulatorSettings::new(clock);
    settings.listen = args.listen;
    settings.model = ModelSettings {
        latency: args.latency,
        request_latency: args.request_latency,
        seed: args.seed,
        ledger_file: args.ledger,
        ..ModelSettings::default()
    };
    if let Some(store_id) = &config.gateway.store_id {
        settings.model.store_id.clone_from(store_id);
    }
    if let Some(secret) = &config.gateway.api_secret {
        settings.api_secret = secret.expose().to_owned().into();
    }
    let store_id = settings.model.store_id.clone();
    let simulator = Simulator::start(settings)
        .await
        .map_err(|err| incomplete(format!("the simulator cannot listen on {}", args.listen)).because(err))?;
    output.line(&format!("PORTONE_API_BASE={}", simulator.base_url()))?;
    output.line(&format!("PORTONE_STORE_ID={store_id}"))?;
    if config.gateway.api_secret.is_none() {
        // The simulator's own secret opens nothing else.
        output.line("PORTONE_API_SECRET=simulator-secret")?;
    }
    shutdown.wait().await;
    simulator.stop().await;
    Ok(())
}
