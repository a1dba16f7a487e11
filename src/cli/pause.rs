//! `renewd pause` and `renewd resume`

use super::by_hand::By;
use super::error::CliError;
use super::output::{Mode, Output};
use crate::app::App;
use crate::engine::control::{self, Turned};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    by: By,
}

/// No new charge starts anywhere.
pub async fn pause(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    let hand = args.by.hand(app);
    let before = control::pause(&*store, &|| app.chance.id(app.clock.now()), &hand).await?;
    tell(&Turned::paused(&hand, before.as_ref(), app.zone), output)
}

/// Charging goes on with the next run.
pub async fn resume(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    let hand = args.by.hand(app);
    let before = control::resume(&*store, &|| app.chance.id(app.clock.now()), &hand).await?;
    tell(&Turned::resumed(&hand, before.as_ref(), app.zone), output)
}

fn tell(turned: &Turned, output: &Output) -> Result<(), CliError> {
    match output.mode {
        Mode::Json => output.json(turned),
        Mode::Table => output.line(&turned.said),
    }
}
