//! One thing that a person does by hand, as the store writes it: with its record, and only if the renewal is still as the
//! person saw it.

use super::read::{RenewalRow, Timeline};
use super::{BillingKeyRow, Switch};
use crate::domain::action::NewAction;
use crate::domain::claim::RenewalChange;
use crate::domain::event::NewEvent;
use crate::domain::refund::NewRefund;
use crate::domain::settlement::Settlement;
use chrono::{DateTime, Utc};

/// What is done, by whom, and from what it was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    pub action: NewAction,
    pub doing: Doing,
    /// Told beside what the change itself tells.
    pub events: Vec<NewEvent>,
}

/// What is done.
#[expect(clippy::large_enum_variant, reason = "one per command")]
#[derive(Clone, Debug, PartialEq)]
pub enum Doing {
    /// Nothing but the record: what it is about happens elsewhere.
    Note,
    /// The kill switch.
    Turn(Switch),
    /// A customer gives a new card: what waits for it is due at the next look.
    NewKey(BillingKeyRow),
    /// A renewal moves by a person's word.
    Move(Mark, Move),
    /// The money of a review is accepted: the period moves with its proof.
    Settle(Mark, Settlement),
    /// Money is wanted back.
    GiveBack(Mark, NewRefund),
}

/// How a person moves a renewal.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    pub change: RenewalChange,
    /// The command to charge it stands until then.
    pub commanded_until: Option<DateTime<Utc>>,
    /// A new key of its customer.
    pub billing_key: Option<BillingKeyRow>,
    /// An attempt that is open is closed as not charged, with this note.
    pub close_attempt: Option<String>,
}

/// How a renewal stood when a person looked at it. What was decided from it counts only while it still stands so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub renewal_id: crate::domain::ids::RenewalId,
    pub seen: Seen,
}

/// What of a renewal changes whenever anything about it does.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Seen {
    pub state: String,
    pub updated_at: DateTime<Utc>,
    pub cancel_at_period_end: bool,
    pub attempts: i64,
    pub payments: i64,
    pub refunds: i64,
}

impl Seen {
    /// As a timeline shows it.
    pub fn of(renewal: &RenewalRow, timeline: &Timeline) -> Self {
        let count = |matching: usize| i64::try_from(matching).unwrap_or(i64::MAX);
        let is_of = |id: &str| id == renewal.id;
        Self {
            state: renewal.state.clone(),
            updated_at: renewal.updated_at,
            cancel_at_period_end: timeline.subscription.cancel_at_period_end,
            attempts: count(timeline.attempts.iter().filter(|row| is_of(&row.renewal_id)).count()),
            payments: count(
                timeline.payments.iter().filter(|row| row.renewal_id.as_deref().is_some_and(is_of)).count(),
            ),
            refunds: count(timeline.refunds.iter().filter(|row| is_of(&row.renewal_id)).count()),
        }
    }
}
