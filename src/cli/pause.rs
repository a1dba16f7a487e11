//! `renewd pause` and `renewd resume`

use super::by_hand::By;
use super::error::CliError;
use super::figures::local;
use super::output::{Mode, Output};
use crate::app::App;
use crate::engine::control;
use crate::store::Paused;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    by: By,
}

/// No new charge starts anywhere.
pub async fn pause(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    let before = control::pause(&*store, &|| app.chance.id(app.clock.now()), &args.by.hand(app)).await?;
    let said = match before {
        None => "charging is paused; what is under way is settled, and nothing new starts".to_owned(),
        Some(before) => format!("charging stays paused; it was already, {}", told(&before, app)),
    };
    tell(true, &said, args, app, output)
}

/// Charging goes on with the next run.
pub async fn resume(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    let before = control::resume(&*store, &|| app.chance.id(app.clock.now()), &args.by.hand(app)).await?;
    let said = match before {
        Some(before) => format!("charging goes on with the next run; it was paused {}", told(&before, app)),
        None => "charging was not paused".to_owned(),
    };
    tell(false, &said, args, app, output)
}

fn tell(paused: bool, said: &str, args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let hand = args.by.hand(app);
    match output.mode {
        Mode::Json => output.json(&json!({
            "paused": paused, "by": hand.actor, "reason": hand.reason, "said": said,
        })),
        Mode::Table => output.line(said),
    }
}

fn told(before: &Paused, app: &App) -> String {
    format!("by {} since {}: {}", before.by, local(before.at, app.zone), before.reason)
}
