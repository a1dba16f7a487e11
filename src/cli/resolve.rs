//! `renewd resolve`: a person's answer to a renewal under review.

use super::by_hand::By;
use super::error::{CliError, usage};
use super::output::{Mode, Output};
use super::progress::Bar;
use super::retry;
use crate::app::App;
use crate::domain::by_hand::resolve::{AGAINST_WORDS_MIN, Answer};
use crate::engine::by_hand::ResolveCommand;
use crate::shutdown::Shutdown;
use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use std::sync::Arc;

/// The gateway is asked first, always, and an answer that it contradicts is refused.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The renewal under review, its payment id, or its subscription.
    id: String,
    /// What became of it.
    #[arg(long = "as", value_enum, value_name = "ANSWER")]
    answer: Said,
    /// What you saw that makes you sure: a receipt, a line of PortOne's console, the customer's statement.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    evidence: String,
    /// Goes on where the gateway shows something else, with what you know and it does not. Never charges, and never
    /// gives a period.
    #[arg(long, value_name = "TEXT")]
    against_gateway: Option<String>,
    #[command(flatten)]
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Said {
    /// The money is there, as ordered: the period is given. Only where a look-up verifies it.
    Paid,
    /// Nothing was charged: it ends without money.
    NotCharged,
    /// All of the money is back with the customer.
    Refunded,
    /// Nothing was charged: charge it again, now.
    Retry,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        match said {
            Said::Paid => Self::Paid,
            Said::NotCharged => Self::NotCharged,
            Said::Refunded => Self::Refunded,
            Said::Retry => Self::Retry,
        }
    }
}

pub async fn run(args: &Args, app: &App, output: &Output, shutdown: &Shutdown) -> Result<(), CliError> {
    let against = args.against_gateway.as_deref().map(str::trim);
    if against.is_some_and(|words| words.chars().count() < AGAINST_WORDS_MIN) {
        return Err(usage(format!("--against-gateway takes at least {AGAINST_WORDS_MIN} characters"))
            .money("nothing was changed")
            .hint("say what you know and the gateway does not: who said it, when, and where it can be seen"));
    }
    let command = ResolveCommand {
        id: args.id.clone(),
        answer: args.answer.into(),
        against: against.map(str::to_owned),
        hand: args.by.hand(app).seeing(&args.evidence),
    };
    let store = app.store().await?;
    let bar = Arc::new(Bar::new(output, "charging"));
    let engine = app.engine(store, Arc::clone(&bar) as _).await?;
    let resolved = engine.resolve_by_hand(&command, shutdown).await;
    bar.finish();
    let resolved = resolved?;
    if output.mode == Mode::Json {
        output.json(&resolved)?;
    } else {
        let renewal = &resolved.renewal;
        output.line(&format!("renewal {} of {} is {} now", renewal.id, renewal.subscription_id, renewal.state))?;
        output.table(
            &["payment", "the gateway shows"],
            resolved.shown.iter().map(|(id, shown)| [id.clone(), shown.clone()]),
        )?;
        if let Some(retried) = &resolved.retried {
            retry::show(retried, app, output)?;
        }
    }
    resolved.retried.as_ref().map_or(Ok(()), retry::verdict)
}
