//! `renewd run`

use super::by_hand::Who;
use super::error::{CliError, incomplete, open_outcomes, usage};
use super::figures::run_rows;
use super::output::{Mode, Output};
use super::plan;
use super::progress::Bar;
use crate::app::App;
use crate::domain::brakes::{Brake, Override, Tripped};
use crate::domain::date::Zone;
use crate::domain::ids::SubscriptionId;
use crate::engine::deliver::{Delivered, Dispatcher};
use crate::engine::report::RunReport;
use crate::engine::run::RunRequest;
use crate::engine::start::{StartError, refuse_future};
use crate::shutdown::Shutdown;
use chrono::NaiveDate;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The business date to run for; today in the business zone, unless given.
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<NaiveDate>,
    /// Only this subscription; repeatable.
    #[arg(long = "subscription", value_name = "ID")]
    subscriptions: Vec<String>,
    /// What would be charged, and why the others not. Charges nothing and writes nothing.
    #[arg(long)]
    dry_run: bool,
    /// At most this many charges.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Goes on without this brake, if the plan is right: charges, sum, growth, declines, comparison; repeatable.
    #[arg(long = "override-brake", value_name = "NAME", requires = "reason", conflicts_with = "dry_run")]
    override_brakes: Vec<Brake>,
    /// Why; recorded with the run.
    #[arg(long, value_name = "TEXT", requires = "override_brakes")]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
    /// Exit with 3 when an outcome is unknown or needs a person; otherwise that is a warning.
    #[arg(long)]
    exit_3_on_open: bool,
}

pub async fn run(args: &Args, app: &App, output: &Output, shutdown: &Shutdown) -> Result<(), CliError> {
    let request = request(args, app)?;
    let store = app.store().await?;
    let bar = Arc::new(Bar::new(output, "charging"));
    if args.dry_run {
        let engine = app.engine_for_preview(store, bar).await?;
        return plan::show(&engine, &request, app, output).await;
    }
    refuse_future(&*store, app.zone, args.date).await?;
    // First of all: a sink that is set up wrongly is found before anything is charged.
    let dispatcher = app.dispatcher(Arc::clone(&store)).await?;
    let engine = app.engine(store, Arc::clone(&bar) as _).await?;
    let report = engine.run(&request, shutdown).await;
    bar.finish();
    tell(&dispatcher, app.config.notify.deliver_within, shutdown).await;
    let report = report?;
    report.log_what_is_open(app.zone);
    show(&report, output)?;
    verdict(&report, args.exit_3_on_open, app.zone)
}

/// The run is over and its figures stand: nobody who cannot be told changes them.
async fn tell(dispatcher: &Dispatcher, within: Duration, shutdown: &Shutdown) {
    if within.is_zero() || shutdown.requested() {
        return;
    }
    match dispatcher.deliver(within, shutdown).await {
        Ok(delivered) => tell_of_troubles(&delivered),
        Err(err) => tracing::warn!(error = %err, "nobody could be told; the events stay, and are sent later"),
    }
}

/// Who could not be told, and why.
pub(super) fn tell_of_troubles(delivered: &Delivered) {
    if !delivered.has_problems() {
        return;
    }
    let problems: Vec<String> =
        delivered.problems.iter().map(|(sink, why)| format!("{}: {why}", sink.as_str())).collect();
    tracing::warn!(
        waiting = delivered.failed,
        given_up = delivered.dead,
        "not everybody was told ({}); the events stay, and are sent again later: see `renewd events list --state pending`",
        problems.join("; ")
    );
}

fn request(args: &Args, app: &App) -> Result<RunRequest, CliError> {
    let reason = args.reason.as_deref().map(str::trim);
    if reason == Some("") {
        return Err(usage("--reason is empty").money("nothing was charged").hint("say why the plan is right as it is"));
    }
    let actor = args.who.hand(app).actor;
    let let_go = reason.map(|reason| Override {
        brakes: args.override_brakes.iter().copied().collect(),
        by: actor.clone(),
        reason: reason.to_owned(),
    });
    Ok(RunRequest {
        trigger: "cli".to_owned(),
        actor,
        business_date: args.date,
        only: args.subscriptions.iter().map(|id| SubscriptionId(id.clone())).collect(),
        charges_max: args.limit,
        let_go,
        ..RunRequest::default()
    })
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::TooEarly(early) => usage(format!("--date {early}"))
                .money("nothing was charged: no period is charged before it is due")
                .hint(format!("see what that day will bring: renewd run --date {} --dry-run", early.date)),
            StartError::Run(error) => error.into(),
            error @ StartError::OtherRequest(_) => usage(error.to_string()).money("nothing was charged"),
        }
    }
}

/// One table, or one JSON document.
pub fn show(report: &RunReport, output: &Output) -> Result<(), CliError> {
    if output.mode == Mode::Json {
        return output.json(report);
    }
    let title = format!("business date {} ({}): {}", report.business_date, report.zone, report.status);
    output.heading(&title)?;
    output.table(&["", "renewals"], run_rows(report))
}

/// What is left open is logged in any case; it is an error only where that was asked for.
fn verdict(report: &RunReport, exit_3_on_open: bool, zone: Zone) -> Result<(), CliError> {
    completed(report, zone)?;
    if !report.has_open_outcomes() || !exit_3_on_open {
        return Ok(());
    }
    let sentences = report.open_sentences(zone);
    let open = open_outcomes("the run is done, and not everything has an outcome")
        .money("no card is charged again before its outcome is known")
        .hint("see them: renewd status");
    Err(sentences.into_iter().fold(open, CliError::detail))
}

/// Whether the run did all its work.
pub(super) fn completed(report: &RunReport, zone: Zone) -> Result<(), CliError> {
    let Some(problem) = &report.problem else { return Ok(()) };
    // Started again at once, a run that a brake holds would only be held again. Where the gateway could not be compared with,
    // it may be a matter of minutes.
    let needs_person = report.brakes.iter().any(|tripped| tripped.brake != Brake::Comparison);
    let failed = if needs_person { usage(problem.clone()) } else { incomplete(problem.clone()) }
        .money("what was charged is recorded; what was not is still due, and nothing is charged twice");
    let failed = if report.brakes.is_empty() {
        failed.hint("mend the cause, then run it again: renewd run")
    } else {
        held(failed, report)
    };
    Err(report.open_sentences(zone).into_iter().fold(failed, CliError::detail))
}

/// What a person does about a brake: look first, and let it go only if what is due is right.
fn held(failed: CliError, report: &RunReport) -> CliError {
    let names: BTreeSet<Brake> = report.brakes.iter().map(|tripped| tripped.brake).collect();
    let let_go: Vec<String> = names.iter().map(|brake| format!("--override-brake {brake}")).collect();
    let told = |failed: CliError, tripped: &Tripped| match &tripped.channel {
        Some(channel) => failed.detail(format!("brake {} holds {channel}: {}", tripped.brake, tripped.why)),
        None => failed,
    };
    let failed = report.brakes.iter().fold(failed, told);
    let see = if names.contains(&Brake::Declines) {
        format!("see who was declined, and why: renewd status --run {}", report.run_id)
    } else if names.contains(&Brake::Comparison) {
        "see that the gateway lists payments again, then: renewd run".to_owned()
    } else {
        "see what is due, and why: renewd run --dry-run".to_owned()
    };
    failed.hint(see).hint(format!("if it is right as it is: renewd run {} --reason \"…\"", let_go.join(" ")))
}
