//! `renewd doctor`: each thing that a set-up can have wrong, looked at without changing any of it.
//!
//! What one check needs and another one found broken is left out: the first one to mend is told, not its echoes.

mod check;
mod database;
mod gateway;
mod notify;
mod settings;
mod state;

use super::Global;
use super::error::CliError;
use super::output::{Mode, Output};
use crate::config::Environment;
use check::{Check, Verdict};
use serde_json::json;
use std::time::Duration;

/// How long anything may take to answer: a person waits for the doctor.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
pub struct Args {}

/// Looks at everything, and exits with 1 where something did not answer, with 2 where a person must change something.
pub async fn run(_: &Args, global: &Global, environment: Environment, output: &Output) -> Result<(), CliError> {
    let checks = checks(global, environment).await;
    match output.mode {
        Mode::Json => output.json(&json!({ "well": check::verdict(&checks).is_ok(), "checks": checks }))?,
        Mode::Table => show(&checks, output)?,
    }
    check::verdict(&checks)
}

async fn checks(global: &Global, environment: Environment) -> Vec<Check> {
    let mut checks = vec![Check::ok("version", crate::version::WHOLE)];
    let Some(app) = settings::look(global, environment, &mut checks) else { return checks };
    let store = database::look(&app, &mut checks).await;
    let gateway = gateway::look(&app, &mut checks).await;
    notify::look(&app, store.as_ref(), &mut checks).await;
    if let Some(store) = &store {
        state::look(&app, &**store, &mut checks).await;
        if let Some(gateway) = &gateway {
            gateway::look_at_clocks(&app, (&**store, &**gateway), &mut checks).await;
        }
    }
    checks
}

fn show(checks: &[Check], output: &Output) -> Result<(), CliError> {
    let rows = checks.iter().map(|one| [one.check.to_owned(), one.result.as_str().to_owned(), one.found.clone()]);
    output.table(&["check", "", ""], rows)?;
    for one in checks.iter().filter(|one| one.result != Verdict::Ok) {
        output.heading(&format!("{} {}: {}", one.check, one.result.as_str(), one.found))?;
        if let Some(money) = one.money {
            output.line(&format!("  money: {money}"))?;
        }
        if let Some(todo) = &one.todo {
            output.line(&format!("  do: {todo}"))?;
        }
    }
    Ok(())
}
