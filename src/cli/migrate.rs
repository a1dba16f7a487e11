//! `renewd migrate`

use super::error::CliError;
use super::output::{Mode, Output};
use crate::app::App;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only tell whether the tables are as this version needs them; exits with 2 when they are not.
    #[arg(long)]
    check: bool,
}

pub async fn run(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.database().await?;
    if args.check {
        store.check_schema().await?;
        return said(output, "the tables are as this version needs them", &json!({ "current": true }));
    }
    let migrated = app.migrate(&*store).await?;
    let text = if migrated.before == migrated.after {
        format!("nothing to do: the tables are at version {}", migrated.after)
    } else {
        format!("the tables are now at version {} (before: {})", migrated.after, migrated.before)
    };
    said(output, &text, &json!({ "before": migrated.before, "after": migrated.after }))
}

fn said(output: &Output, text: &str, document: &serde_json::Value) -> Result<(), CliError> {
    if output.mode == Mode::Json { output.json(document) } else { output.line(text) }
}
