//! `renewd health`: what a container's health check runs. Opens no database, asks no gateway, needs no token.

use super::Global;
use super::error::{CliError, incomplete, usage};
use super::output::{Mode, Output};
use crate::config::{Config, Environment, Layers};
use crate::http::ask::ask;
use serde_json::json;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask whether it can do its work (/readyz) too, and not only whether it lives (/healthz).
    #[arg(long)]
    ready: bool,
    /// How long it may take to answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    within: u64,
}

/// Exits with 0 where the daemon says that it is well, and with 1 where it does not, or says nothing.
pub async fn run(args: &Args, global: &Global, environment: Environment, output: &Output) -> Result<(), CliError> {
    let config = Config::load(&Layers { file: global.config.clone(), environment, flags: Vec::new() })?;
    let Some(listen) = config.server.listen else {
        return Err(usage("server.listen is empty: the daemon answers nobody, and cannot be asked")
            .hint("set server.listen, or take the health check out"));
    };
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let told = ask(listen, path, Duration::from_secs(args.within)).await.map_err(|err| {
        incomplete("the daemon does not answer")
            .because(err)
            .money("nothing is charged while it is down; nothing is charged twice when it starts again")
            .hint("its log says why; start it again: renewd daemon")
    })?;
    let text = told.text.trim();
    if !told.well {
        return Err(incomplete(format!("{path} answers {}: {text}", told.status)).hint("renewd doctor"));
    }
    match output.mode {
        Mode::Json => output.json(&json!({ "well": true, "asked": path, "told": text })),
        Mode::Table => output.line(text),
    }
}
