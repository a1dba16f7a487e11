//! `renewd pause` and `renewd resume`

use super::error::CliError;
use super::figures::local;
use super::output::{Mode, Output};
use crate::app::App;
use crate::domain::ids::EventId;
use crate::engine::control;
use crate::store::Paused;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Why; recorded, and shown by `renewd status`.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who; the user of this process, unless given.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
}

/// No new charge starts anywhere.
pub async fn pause(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    let before = control::pause(&*store, event_id(app), actor(args, app), &args.reason).await?;
    let said = match before {
        None => "charging is paused; what is under way is settled, and nothing new starts".to_owned(),
        Some(before) => format!("charging stays paused; it was already, {}", told(&before, app)),
    };
    tell(true, &said, args, app, output)
}

/// Charging goes on with the next run.
pub async fn resume(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    let before = control::resume(&*store, event_id(app), actor(args, app), &args.reason).await?;
    let said = match before {
        Some(before) => format!("charging goes on with the next run; it was paused {}", told(&before, app)),
        None => "charging was not paused".to_owned(),
    };
    tell(false, &said, args, app, output)
}

fn tell(paused: bool, said: &str, args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    match output.mode {
        Mode::Json => output.json(&json!({
            "paused": paused, "by": actor(args, app), "reason": args.reason, "said": said,
        })),
        Mode::Table => output.line(said),
    }
}

fn told(before: &Paused, app: &App) -> String {
    format!("by {} since {}: {}", before.by, local(before.at, app.zone), before.reason)
}

fn actor<'a>(args: &'a Args, app: &'a App) -> &'a str {
    args.actor.as_deref().unwrap_or(&app.actor)
}

fn event_id(app: &App) -> EventId {
    EventId(app.chance.id(app.clock.now()))
}
