//! `renewd retry`

use super::by_hand::By;
use super::error::{CliError, incomplete, usage};
use super::figures::{local, sum, words};
use super::output::{Mode, Output};
use super::progress::Bar;
use crate::app::App;
use crate::domain::charge::BillingKey;
use crate::engine::by_hand::{NewKey, Retried, RetryCommand};
use crate::engine::import::key_problem;
use crate::shutdown::Shutdown;
use crate::store::read::AttemptRow;
use std::io::Read;
use std::sync::Arc;

/// A billing key on stdin is at most this long, in bytes.
const KEY_BYTES_MAX: u64 = 4_096;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A renewal, a payment id, or a subscription: then its latest renewal.
    id: String,
    /// The customer's new card, stored and charged; `-` reads it from stdin, so that no process list shows it.
    #[arg(long, value_name = "KEY", value_parser = new_key)]
    with_billing_key: Option<GivenKey>,
    /// The new card's channel; that of the key before, unless given.
    #[arg(long, value_name = "CHANNEL", requires = "with_billing_key")]
    channel_key: Option<String>,
    /// The new card's payment gateway; that of the key before, unless given.
    #[arg(long, value_name = "PROVIDER", requires = "with_billing_key")]
    pg_provider: Option<String>,
    #[command(flatten)]
    by: By,
}

/// A billing key as it was typed; cannot be printed.
#[derive(Clone, Debug)]
enum GivenKey {
    Typed(BillingKey),
    OnStdin,
}

#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for: an error would quote the key")]
fn new_key(text: &str) -> Result<GivenKey, String> {
    Ok(if text == "-" { GivenKey::OnStdin } else { GivenKey::Typed(BillingKey::new(text)) })
}

pub async fn run(args: &Args, app: &App, output: &Output, shutdown: &Shutdown) -> Result<(), CliError> {
    let new_key = args.with_billing_key.as_ref().map(|given| key(given, args)).transpose()?;
    let command = RetryCommand { id: args.id.clone(), new_key, hand: args.by.hand(app) };
    let store = app.store().await?;
    let bar = Arc::new(Bar::new(output, "charging"));
    let engine = app.engine(store, Arc::clone(&bar) as _).await?;
    let retried = engine.retry(&command, shutdown).await;
    bar.finish();
    let retried = retried?;
    if output.mode == Mode::Json {
        output.json(&retried)?;
    } else {
        show(&retried, app, output)?;
    }
    verdict(&retried)
}

fn key(given: &GivenKey, args: &Args) -> Result<NewKey, CliError> {
    let key = match given {
        GivenKey::Typed(key) => key.clone(),
        GivenKey::OnStdin => BillingKey::new(from_stdin()?.trim()),
    };
    if let Some(problem) = key_problem(key.expose()) {
        return Err(usage(format!("the billing key cannot be used: {problem}")).money("nothing was charged"));
    }
    Ok(NewKey { key, channel_key: args.channel_key.clone(), pg_provider: args.pg_provider.clone() })
}

fn from_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    let read = std::io::stdin().take(KEY_BYTES_MAX).read_to_string(&mut text);
    // What was read is not quoted: it may be the key.
    read.map_err(|err| usage("the billing key cannot be read from stdin").because(err).money("nothing was charged"))?;
    Ok(text)
}

/// What became of the renewal, and of each attempt that was made for it.
pub fn show(retried: &Retried, app: &App, output: &Output) -> Result<(), CliError> {
    let renewal = &retried.renewal;
    let amount = sum(renewal.currency.as_deref().unwrap_or(""), renewal.amount.unwrap_or(0));
    output.heading(&format!(
        "renewal {} of {}: {} ({amount} for the period from {})",
        renewal.id,
        renewal.subscription_id,
        renewal.state,
        local(renewal.period_start, app.zone)
    ))?;
    let rows = retried.attempts.iter().map(|attempt| {
        [format!("attempt {}", attempt.number), words(&attempt.state), said(attempt), attempt.payment_id.clone()]
    });
    output.table(&["tried now", "outcome", "the gateway says", "payment"], rows)?;
    if let Some(next) = renewal.next_attempt_at {
        output.line(&format!("its ladder goes on: next attempt {}", local(next, app.zone)))?;
    }
    Ok(())
}

fn said(attempt: &AttemptRow) -> String {
    let parts = [attempt.decline_reason.as_deref().map(words), attempt.pg_code.clone(), attempt.pg_message.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A decline is an ordinary outcome; a renewal that could not be sent is not done.
pub fn verdict(retried: &Retried) -> Result<(), CliError> {
    let renewal = &retried.renewal;
    let id = &renewal.id;
    if let Some(problem) = &retried.run.problem {
        return Err(incomplete(problem.clone())
            .money("if it was charged, that is recorded or looked up; if not, it is still due: nobody is charged twice")
            .hint(format!("mend the cause, then look: renewd show {id}")));
    }
    if renewal.state == "unknown" || renewal.state == "charging" {
        return Err(super::error::open_outcomes(format!("the outcome of renewal {id} is not known yet"))
            .money("it may have been charged; it is looked up, and not charged again before that is known")
            .hint(format!("see what came of it: renewd show {id}")));
    }
    let was_sent = retried.attempts.iter().any(|attempt| attempt.state != "not_charged");
    if renewal.state == "paid" || was_sent {
        return Ok(());
    }
    let notes: Vec<&str> = retried.attempts.iter().filter_map(|attempt| attempt.note.as_deref()).collect();
    let why = renewal.review_reason.as_deref().or(notes.last().copied()).unwrap_or("see its timeline");
    Err(incomplete(format!("renewal {id} was not charged: it is {} ({why})", renewal.state))
        .money("nothing was charged")
        .hint(format!("see why: renewd show {id}")))
}
