//! `renewd look-ahead`

use super::error::{CliError, incomplete};
use super::figures::{Row, local, thousands};
use super::output::{Mode, Output};
use crate::app::{self, App};
use crate::domain::look_ahead::KeyFound;
use crate::engine::Silent;
use crate::engine::look_ahead::report::{Finding, LookAheadReport};
use crate::shutdown::Shutdown;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: &Args, app: &App, output: &Output, shutdown: &Shutdown) -> Result<(), CliError> {
    let engine = app.engine(app.store().await?, Arc::new(Silent)).await?;
    let request = app::look_ahead(&app.config, "cli", &app.actor);
    let report = engine.look_ahead(&request, shutdown).await?;
    if output.mode == Mode::Json {
        output.json(&report)?;
    } else {
        show(&report, app, output)?;
    }
    verdict(&report)
}

/// # Errors
/// Where it could not be completed: the gateway refused or did not answer. What was announced is announced.
pub fn verdict(report: &LookAheadReport) -> Result<(), CliError> {
    match &report.problem {
        None => Ok(()),
        Some(problem) => Err(incomplete(problem.clone())
            .money("nothing was charged; what is due is charged on its day as always")
            .hint("mend the cause, then look again: renewd look-ahead")),
    }
}

fn show(report: &LookAheadReport, app: &App, output: &Output) -> Result<(), CliError> {
    output.heading(&format!("look ahead from {}: {}", report.business_date, report.status))?;
    output.table(&["", "subscriptions"], counts(report))?;
    if report.findings.is_empty() {
        return Ok(());
    }
    let rows = report.findings.iter().map(|finding| {
        [finding.subscription_id.0.clone(), local(finding.period_start, app.zone), what(finding).to_owned()]
    });
    output.table(&["needs a look", "period starts", "what"], rows)
}

fn counts(report: &LookAheadReport) -> Vec<Row> {
    let row = |what: &str, count: u64| [what.to_owned(), thousands(count)];
    let mut rows = vec![
        row("announced", report.announced),
        row("asked about at the gateway", report.asked),
        row("  billing key can be charged", report.issued),
    ];
    let rest = [
        ("  billing key is gone", report.gone),
        ("  no billing key", report.none),
        ("  scheduled at the gateway", report.scheduled),
        ("  held for a person", report.held),
        ("  no answer", report.unanswered),
        ("not asked about", report.not_asked),
        ("announced again: the price rises", report.announced_again),
        ("told that there is no billing key", report.missing_told),
    ];
    rows.extend(rest.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| row(what, count)));
    rows
}

fn what(finding: &Finding) -> &'static str {
    match finding.key {
        KeyFound::Issued => "the gateway has a payment schedule for it: it goes to review",
        KeyFound::Gone => "the gateway does not know its billing key any more",
        KeyFound::None => "it has no billing key",
    }
}
