//! What the commands that people type have in common: who, why, and how a refusal reads.

use super::error::{CliError, incomplete, usage};
use crate::app::App;
use crate::domain::action::Hand;
use crate::domain::by_hand::Refusal;
use crate::engine::by_hand::ByHandError;
use clap::builder::NonEmptyStringValueParser;

/// Who does it, and why.
#[derive(Debug, clap::Args)]
pub struct By {
    /// Why; recorded, and shown by `renewd show` and `renewd status`.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,
    #[command(flatten)]
    pub who: Who,
}

/// Who does it.
#[derive(Debug, clap::Args)]
pub struct Who {
    /// Who; the user of this process, unless given.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub actor: Option<String>,
}

impl By {
    /// As it is recorded.
    pub fn hand(&self, app: &App) -> Hand {
        self.who.hand(app).because(&self.reason)
    }
}

impl Who {
    /// As it is recorded.
    pub fn hand(&self, app: &App) -> Hand {
        Hand::of(self.actor.as_deref().unwrap_or(&app.actor))
    }
}

impl From<Refusal> for CliError {
    /// What a person must change is a usage error; what may turn by itself is tried again.
    fn from(refusal: Refusal) -> Self {
        let error = if refusal.may_turn { incomplete(refusal.what) } else { usage(refusal.what) };
        refusal.hints.into_iter().fold(error.money(refusal.money), CliError::hint)
    }
}

impl From<ByHandError> for CliError {
    fn from(error: ByHandError) -> Self {
        match error {
            ByHandError::Refused(refusal) => refusal.into(),
            ByHandError::Run(error) => error.into(),
            error @ ByHandError::NotFound(_) => usage(error.to_string())
                .money("nothing was done")
                .hint("ids stand in the views: SELECT subscription_id, renewal_id, payment_id FROM renewal_results"),
        }
    }
}
