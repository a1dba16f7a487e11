//! Refunds: what is to be asked for, and what asking led to.

use super::stamp::as_stamp_opt;
use super::uuid;
use crate::domain::event::NewEvent;
use crate::domain::ids::{PaymentId, RenewalId, SubscriptionId};
use crate::domain::refund::{RefundChange, RefundFacts, RefundReason, RefundState};
use crate::domain::renewal::State;
use crate::store::StoreError;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A refund that is due, with its renewal's state.
#[derive(sqlx::FromRow)]
pub struct RefundFactsRow {
    payment_id: String,
    renewal_id: String,
    subscription_id: String,
    amount: i64,
    currency: String,
    reason: String,
    idempotency_key: String,
    number: i64,
    back_before: i64,
    left_after: i64,
    told: Option<String>,
    ends_renewal: bool,
    tries: i64,
    wanted_at: DateTime<Utc>,
    renewal_state: String,
}

impl RefundFactsRow {
    /// # Errors
    /// [`StoreError::Row`] for a word that this version does not know.
    pub fn into_facts(self) -> Result<RefundFacts, StoreError> {
        let odd = |word: &str| StoreError::Row {
            table: "refunds",
            key: self.payment_id.clone(),
            problem: format!("holds the word \"{word}\""),
        };
        let reason = RefundReason::parse(&self.reason).ok_or_else(|| odd(&self.reason))?;
        let renewal_state = State::parse(&self.renewal_state).ok_or_else(|| odd(&self.renewal_state))?;
        Ok(RefundFacts {
            renewal_id: RenewalId(uuid("refunds", &self.renewal_id)?),
            subscription_id: SubscriptionId(self.subscription_id),
            amount: self.amount,
            currency: self.currency,
            reason,
            idempotency_key: self.idempotency_key,
            number: u32::try_from(self.number).unwrap_or(u32::MAX),
            back_before: self.back_before,
            left_after: self.left_after,
            told: self.told,
            ends_renewal: self.ends_renewal,
            tries: u32::try_from(self.tries).unwrap_or(u32::MAX),
            wanted_at: self.wanted_at,
            renewal_state,
            payment_id: PaymentId(self.payment_id),
        })
    }
}

/// What asking led to, as it is written.
#[derive(Serialize)]
pub struct RefundOut<'a> {
    payment_id: &'a str,
    number: u32,
    renewal_id: RenewalId,
    state: RefundState,
    #[serde(serialize_with = "as_stamp_opt")]
    next_try_at: Option<DateTime<Utc>>,
    note: &'a str,
    from_state: Option<State>,
    to_state: Option<State>,
    review_reason: Option<&'a str>,
}

impl<'a> From<&'a RefundChange> for RefundOut<'a> {
    fn from(change: &'a RefundChange) -> Self {
        let (from_state, to_state) = change.renewal.unzip();
        Self {
            payment_id: change.payment_id.as_str(),
            number: change.number,
            renewal_id: change.renewal_id,
            state: change.to,
            next_try_at: change.next_try_at,
            note: &change.note,
            from_state,
            to_state,
            review_reason: change.review_reason.as_deref(),
        }
    }
}

/// The events of those changes that were written.
pub fn events_of_written<'a>(
    changes: &'a [RefundChange],
    written: &'a [PaymentId],
) -> impl Iterator<Item = &'a NewEvent> {
    let is_written = |change: &&RefundChange| written.contains(&change.payment_id);
    changes.iter().filter(is_written).flat_map(|change| &change.events)
}
