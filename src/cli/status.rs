//! `renewd status`

mod codes;

use super::error::{CliError, usage};
use super::figures::{local, sum, thousands, words};
use super::output::{Mode, Output};
use crate::app::App;
use crate::domain::ids::RunId;
use crate::engine::status::{Status, status};
use crate::store::read::{ActionRow, RenewalRow, RunRow};
use chrono::{DateTime, NaiveDate, Utc};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One run, whole.
    #[arg(long, value_name = "ID")]
    run: Option<uuid::Uuid>,
    /// Codes of payment gateways that the decline tables do not know, to be classified by somebody.
    #[arg(long, conflicts_with = "run")]
    codes: bool,
    /// With --codes: of the last so many days.
    #[arg(long, value_name = "DAYS", default_value_t = 90, requires = "codes", value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
}

pub async fn run(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    if let Some(id) = args.run {
        let run = store.run(RunId(id)).await?;
        let run = run.ok_or_else(|| usage(format!("there is no run {id}")).hint("list them: renewd status"))?;
        return show_run(&run, app, output);
    }
    if args.codes {
        return codes::run(args.days, &*store, app, output).await;
    }
    let status = status(&*store, app.zone).await?;
    if output.mode == Mode::Json {
        return output.json(&status);
    }
    show(&status, app, output)
}

fn show(status: &Status, app: &App, output: &Output) -> Result<(), CliError> {
    if let Some(paused) = &status.paused {
        output.heading(&format!("charging is paused {paused}"))?;
    }
    if let Some(gap) = gap(&status.coverage.missed, app) {
        output.heading(&gap)?;
    }
    let runs = status.runs.iter().map(|run| run_row(run, app));
    output.table(
        &["recent runs", "by", "date", "status", "paid", "declined", "refunded", "unknown", "review", "id"],
        runs,
    )?;
    if let Some(sentence) = failure(&status.runs) {
        output.heading(&sentence)?;
    }
    output.table(&["renewals", ""], backlog_rows(status, app))?;
    for sentence in status.open.sentences(app.zone) {
        output.heading(&sentence)?;
    }
    if !status.by_hand.is_empty() {
        let rows = status.by_hand.iter().map(|row| action_row(row, app));
        output.table(&["by hand", "who", "what", "about", "why"], rows)?;
    }
    if status.needs_a_look.is_empty() {
        return output.heading("nothing needs a person");
    }
    let rows = status.needs_a_look.iter().map(|renewal| look_row(renewal, app));
    output.table(&["needs a look", "state", "amount", "why", "looked up next"], rows)?;
    output.heading("what is known of one, and how to answer it: renewd show SUBSCRIPTION")
}

/// Why the newest run did not do its work, until one of its kind did: whoever reads `failed` asks why.
fn failure(runs: &[RunRow]) -> Option<String> {
    let is_over = |newer: &[RunRow], run: &RunRow| {
        newer.iter().any(|other| other.trigger == run.trigger && other.status == "completed")
    };
    // What somebody typed was answered to them.
    let by_hand = |run: &RunRow| ["retry", "resolve", "refund"].contains(&run.trigger.as_str());
    let failed =
        |(at, run): &(usize, &RunRow)| run.status == "failed" && !by_hand(run) && !is_over(runs.split_at(*at).0, run);
    let (_, run) = runs.iter().enumerate().find(failed)?;
    let why = run.error.as_deref().unwrap_or("no reason was kept");
    Some(format!(
        "the run of {} ({}) failed: {why}. What was due stays due: renewd status --run {}",
        run.business_date, run.trigger, run.id
    ))
}

/// A night that nobody noticed is a schedule that does not work: told before everything else.
fn gap(missed: &[NaiveDate], app: &App) -> Option<String> {
    let (first, last) = (missed.first()?, missed.last()?);
    let dates = match missed.len() {
        1 => first.to_string(),
        count => format!("{count} business dates from {first} to {last}"),
    };
    let overdue = humantime::format_duration(app.config.business.max_overdue);
    Some(format!(
        "no run has covered {dates}: see that the schedule works. The next run takes up what is still due; what ended more than {overdue} ago lapses: renewd run --dry-run"
    ))
}

fn run_row(run: &RunRow, app: &App) -> Vec<String> {
    let figure =
        |name: &str| run.figures.get(name).and_then(serde_json::Value::as_u64).map_or_else(|| "–".into(), thousands);
    vec![
        local(run.started_at, app.zone),
        run.trigger.clone(),
        run.business_date.to_string(),
        run.status.clone(),
        figure("paid"),
        figure("declined"),
        figure("refunded"),
        figure("unknown"),
        figure("review"),
        run.id.clone(),
    ]
}

fn backlog_rows(status: &Status, app: &App) -> Vec<Vec<String>> {
    let (backlog, open) = (&status.backlog, &status.open);
    let count = |number: i64| thousands(u64::try_from(number).unwrap_or(0));
    let mut rows: Vec<Vec<String>> =
        backlog.by_state.iter().map(|(state, number)| vec![state.clone(), count(*number)]).collect();
    rows.push(vec!["due and claimable now".to_owned(), count(backlog.due_now)]);
    rows.push(vec!["waiting for a new billing key".to_owned(), count(backlog.waits_for_key)]);
    if backlog.refunds_open > 0 {
        rows.push(vec!["being given back".to_owned(), count(backlog.refunds_open)]);
    }
    let since = |(at, secs): (DateTime<Utc>, i64)| format!("{} ({} min ago)", local(at, app.zone), secs / 60);
    let times = [
        ("next attempt", backlog.next_attempt_at.map(|at| local(at, app.zone))),
        ("next look-up", backlog.next_look_up_at.map(|at| local(at, app.zone))),
        ("oldest unknown outcome", open.oldest_unknown.zip(open.oldest_unknown_secs).map(since)),
        ("oldest claim that nobody settled", open.oldest_unsettled.zip(open.oldest_unsettled_secs).map(since)),
    ];
    rows.extend(times.into_iter().filter_map(|(what, at)| Some(vec![what.to_owned(), at?])));
    rows
}

fn action_row(row: &ActionRow, app: &App) -> Vec<String> {
    let about = row.subscription_id.clone().or_else(|| row.run_id.clone());
    vec![
        local(row.created_at, app.zone),
        row.actor.clone(),
        words(&row.kind),
        about.unwrap_or_default(),
        row.reason.clone().unwrap_or_default(),
    ]
}

fn look_row(renewal: &RenewalRow, app: &App) -> Vec<String> {
    let amount = renewal.amount.map(|minor| sum(renewal.currency.as_deref().unwrap_or(""), minor));
    vec![
        renewal.subscription_id.clone(),
        renewal.state.clone(),
        amount.unwrap_or_default(),
        renewal.review_reason.clone().unwrap_or_else(|| "no answer yet".to_owned()),
        renewal.next_look_up_at.map(|at| local(at, app.zone)).unwrap_or_default(),
    ]
}

fn show_run(run: &RunRow, app: &App, output: &Output) -> Result<(), CliError> {
    if output.mode == Mode::Json {
        return output.json(run);
    }
    output.heading(&format!("run {}: {}", run.id, run.status))?;
    let mut rows = vec![
        vec!["started".to_owned(), local(run.started_at, app.zone)],
        vec!["by".to_owned(), format!("{} ({})", run.actor, run.trigger)],
    ];
    rows.extend(run.error.iter().map(|error| vec!["problem".to_owned(), error.clone()]));
    if let Some(figures) = run.figures.as_object() {
        let shown = figures.iter().filter(|(_, value)| !value.is_null());
        rows.extend(shown.map(|(name, value)| vec![words(name), plain(value)]));
    }
    output.table(&["", ""], rows)
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
