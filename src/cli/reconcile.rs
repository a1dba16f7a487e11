//! `renewd reconcile`

use super::by_hand::Who;
use super::error::{CliError, open_outcomes, usage};
use super::figures::{Row, local, sum, thousands, words};
use super::output::{Mode, Output};
use crate::app::App;
use crate::domain::action::ActionKind;
use crate::domain::ids::ActionId;
use crate::engine::reconcile::ReconcileRequest;
use crate::engine::reconcile::report::{Finding, ReconcileReport};
use crate::engine::{Silent, control};
use crate::shutdown::Shutdown;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::json;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The first business date whose payments are compared; yesterday in the business zone, unless given.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<NaiveDate>,
    /// The last one; today, unless given.
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: Option<NaiveDate>,
    /// Why; recorded, where given.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
}

pub async fn run(args: &Args, app: &App, output: &Output, shutdown: &Shutdown) -> Result<(), CliError> {
    let store = app.store().await?;
    let (from, until) = range(args, app, store.now().await?)?;
    let engine = app.engine(Arc::clone(&store), Arc::new(Silent)).await?;
    let hand = args.who.hand(app).because(args.reason.as_deref().unwrap_or(""));
    let id = ActionId(app.chance.id(app.clock.now()));
    control::note(&*store, id, ActionKind::Reconcile, &hand, json!({ "from": from, "until": until })).await?;
    let request = ReconcileRequest { trigger: "cli".to_owned(), actor: hand.actor, from, until };
    let report = engine.reconcile(&request, shutdown).await?;
    if output.mode == Mode::Json {
        output.json(&report)?;
    } else {
        show(&report, app, output)?;
    }
    verdict(&report)
}

/// The two last business days, unless said otherwise; what is still to come cannot be listed.
fn range(args: &Args, app: &App, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), CliError> {
    let today = app.zone.date_of(now);
    let last = args.until.unwrap_or(today);
    let first = args.from.unwrap_or_else(|| today.min(last) - TimeDelta::days(1));
    if first > last || first > today {
        return Err(usage(format!("there is nothing between {first} and {last}, seen from {today}"))
            .money("nothing was charged, nothing was compared")
            .hint("both days are included: renewd reconcile --from 2026-01-30 --until 2026-01-31"));
    }
    let end = last.succ_opt().map_or(now, |day| app.zone.start_of(day));
    Ok((app.zone.start_of(first), end.min(now)))
}

fn show(report: &ReconcileReport, app: &App, output: &Output) -> Result<(), CliError> {
    let (from, until) = (local(report.from, app.zone), local(report.until, app.zone));
    output.heading(&format!("payments from {from} to {until} ({}): {}", app.zone.name(), report.status))?;
    output.table(&["", "payments"], counts(report))?;
    if !report.adoptions.is_empty() {
        let rows = report.adoptions.iter().map(|one| {
            let amount = amount(one.amount, one.currency.as_deref());
            [one.subscription_id.0.clone(), amount, one.payment_id.0.clone()]
        });
        output.table(&["adopted for", "amount", "payment"], rows)?;
    }
    if !report.findings.is_empty() {
        output.table(&["needs a look", "here", "there", "what", "payment"], report.findings.iter().map(finding_row))?;
    }
    if !report.unknown.is_empty() {
        let rows = report.unknown.iter().map(|one| {
            let amount = amount(one.amount, one.currency.as_deref());
            [one.payment_id.0.clone(), amount, one.status.clone(), one.why.to_owned()]
        });
        output.table(&["unknown payment", "amount", "status", "why"], rows)?;
    }
    Ok(())
}

fn counts(report: &ReconcileReport) -> Vec<Row> {
    let row = |what: &str, count: u64| [what.to_owned(), thousands(count)];
    let mut rows = vec![
        row("listed by the gateway", report.listed),
        row("  made by renewd", report.ours),
        row("recorded here", report.recorded),
        row("agreed", report.agreed),
    ];
    let rest = [
        ("taken there, recorded now", report.adopted),
        ("explained by a claim under way", report.open),
        ("of nobody in this database", report.payments_unknown),
        ("not answered by the gateway", report.unanswered),
    ];
    rows.extend(rest.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| row(what, count)));
    rows.extend(report.differences.iter().map(|(kind, count)| row(&words(kind.as_str()), *count)));
    rows
}

fn finding_row(finding: &Finding) -> Vec<String> {
    let currency = finding.currency.as_deref();
    let there = match &finding.status_there {
        Some(status) => format!("{status} {}", amount(finding.amount_there, currency)),
        None => "not known".to_owned(),
    };
    vec![
        finding.subscription_id.as_ref().map(|id| id.0.clone()).unwrap_or_default(),
        amount(finding.amount_here, currency),
        there,
        finding.advice.to_owned(),
        finding.payment_id.0.clone(),
    ]
}

fn amount(minor: Option<i64>, currency: Option<&str>) -> String {
    minor.map(|minor| sum(currency.unwrap_or(""), minor)).unwrap_or_default()
}

/// What needs a look, as an error for whoever waits for the exit code.
pub(super) fn verdict(report: &ReconcileReport) -> Result<(), CliError> {
    if let Some(problem) = &report.problem {
        return Err(super::error::incomplete(problem.clone())
            .money("nothing was charged; what was found until then is settled")
            .hint("mend the cause, then reconcile again"));
    }
    if let Some(held) = &report.held {
        return Err(open_outcomes(format!("charging is held: {held}"))
            .money("nothing is charged anywhere until somebody resumes")
            .hint("enter the cancellations again that were made since, then renewd resume --reason …"));
    }
    if !report.needs_a_look() {
        return Ok(());
    }
    let differences: u64 = report.differences.values().sum();
    Err(open_outcomes(format!(
        "{differences} difference(s), {} unknown payment(s), {} look-up(s) without an answer",
        report.payments_unknown, report.unanswered
    ))
    .money("nothing was charged, and what is recorded as paid stays paid")
    .hint("see one: renewd show PAYMENT_ID"))
}
