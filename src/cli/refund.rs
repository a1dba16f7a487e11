//! `renewd refund`

use super::by_hand::By;
use super::error::{CliError, incomplete, open_outcomes};
use super::figures::sum;
use super::output::{Mode, Output};
use crate::app::App;
use crate::domain::by_hand::refund::RefundAsk;
use crate::engine::Silent;
use crate::engine::by_hand::{RefundCommand, Refunded};
use crate::shutdown::Shutdown;
use clap::builder::NonEmptyStringValueParser;
use std::sync::Arc;

/// The paid period stays as it is: money goes back, and nothing else changes. A renewal whose money is all back is
/// `refunded`. Typed twice it gives back once: another refund of the same sum needs a `--reference` of its own.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The payment, as PortOne and `renewd show` call it.
    payment_id: String,
    /// How much, in the currency's minor unit (won, cents); all that is left, unless given.
    #[arg(long, value_name = "N")]
    amount: Option<i64>,
    /// Tells this refund from others of the same payment; the sum, unless given.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reference: Option<String>,
    #[command(flatten)]
    by: By,
}

pub async fn run(args: &Args, app: &App, output: &Output, shutdown: &Shutdown) -> Result<(), CliError> {
    let hand = args.by.hand(app);
    let ask = RefundAsk {
        amount: args.amount,
        reference: args.reference.clone(),
        reason: hand.reason.clone().unwrap_or_default(),
    };
    let command = RefundCommand { payment_id: args.payment_id.clone(), ask, hand };
    let store = app.store().await?;
    let refunded = app.engine(store, Arc::new(Silent)).await?.refund_by_hand(&command, shutdown).await?;
    let refund = &refunded.refund;
    if output.mode == Mode::Json {
        output.json(&refunded)?;
    } else {
        let amount = sum(&refund.currency, refund.amount);
        output.line(&format!("refund {} of {}: {amount}: {}", refund.reference, refund.payment_id, refund.state))?;
        output.line(&format!(
            "{} stay with you; renewal {} is {}, and its period stays as it is",
            sum(&refund.currency, refund.left_after),
            refunded.renewal.id,
            refunded.renewal.state
        ))?;
    }
    verdict(&refunded)
}

fn verdict(refunded: &Refunded) -> Result<(), CliError> {
    let refund = &refunded.refund;
    let (id, note) = (&refund.payment_id, refund.note.as_deref().unwrap_or("nothing was heard yet"));
    match refund.state.as_str() {
        "done" => Ok(()),
        "failed" => Err(incomplete(format!("{id} was not given back: {note}"))
            .money("the money is where the look-up showed it: give it back in PortOne's console")
            .hint(format!("see what was asked: renewd show {id}"))),
        _ => Err(open_outcomes(format!("{id} is not back yet: {note}"))
            .money("it is asked for again by every run, under the same key: it goes back once")
            .hint(format!("see how it stands: renewd show {id}"))),
    }
}
