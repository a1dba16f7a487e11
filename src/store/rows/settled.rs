//! The rows of a settle: what its guards compare, and what it writes.

use super::stamp::{as_stamp, as_stamp_opt};
use crate::domain::attempt::AttemptState;
use crate::domain::ids::{AttemptId, PlanId, RenewalId};
use crate::domain::look_ups;
use crate::domain::renewal::State;
use crate::domain::settlement::{PeriodMove, Settlement};
use chrono::{DateTime, Utc};
use serde::Serialize;

#[derive(Serialize)]
pub struct WantedOut {
    pub renewal_id: RenewalId,
    pub attempt_id: AttemptId,
}

/// A renewal under the settle's lock.
#[derive(sqlx::FromRow)]
pub struct GuardRow {
    pub now: DateTime<Utc>,
    pub renewal_id: String,
    pub state: String,
    pub lease_epoch: i64,
    pub lease_is_live: bool,
    pub current_period_end: DateTime<Utc>,
    pub cancel_at_period_end: bool,
    pub attempt_state: String,
    pub settled_epoch: Option<i64>,
}

/// Whether a settlement may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The lease is held: write.
    Held,
    /// It is written already: a repeat after a commit whose answer was lost.
    Repeated,
    /// Somebody else came since.
    Lost,
}

impl GuardRow {
    /// How `settlement` stands against the row as it is now.
    pub fn standing(&self, settlement: &Settlement) -> Standing {
        let same_epoch = self.lease_epoch == settlement.lease_epoch;
        let attempt_is_open = self.attempt_state == AttemptState::Open.as_str();
        let charging = self.state == State::Charging.as_str();
        if charging && same_epoch && attempt_is_open && (self.lease_is_live || !settlement.perishable) {
            return Standing::Held;
        }
        let closed_so = self.settled_epoch == Some(settlement.lease_epoch)
            && self.attempt_state == settlement.attempt.state.as_str();
        let left_open_so = settlement.attempt.state == AttemptState::Open
            && attempt_is_open
            && same_epoch
            && self.state == settlement.state.as_str();
        if closed_so || left_open_so { Standing::Repeated } else { Standing::Lost }
    }

    /// Whether what is written, or was, is what the settlement has for a customer who cancelled.
    pub fn is_as_canceled(&self, settlement: &Settlement, standing: Standing) -> bool {
        let Some(as_canceled) = &settlement.if_canceled else { return false };
        match standing {
            Standing::Held => self.cancel_at_period_end,
            // What was paid stays paid; a decline may have been followed by another claim since.
            Standing::Repeated if settlement.state == State::Paid => self.state != settlement.state.as_str(),
            Standing::Repeated => self.state == as_canceled.state.as_str(),
            Standing::Lost => false,
        }
    }
}

/// One settlement as it is written.
#[derive(Serialize)]
pub struct SettledOut<'a> {
    pub renewal_id: RenewalId,
    pub subscription_id: &'a str,
    pub attempt_id: AttemptId,
    pub from_state: State,
    pub lease_epoch: i64,
    pub state: State,
    pub is_open: bool,
    #[serde(serialize_with = "as_stamp_opt")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "as_stamp_opt")]
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    #[serde(serialize_with = "as_stamp_opt")]
    pub unknown_since: Option<DateTime<Utc>>,
    pub look_ups: u32,
    pub declines: u8,
    #[serde(serialize_with = "as_stamp_opt")]
    pub first_declined_at: Option<DateTime<Utc>>,
    pub review_reason: Option<&'a str>,
    #[serde(serialize_with = "as_stamp")]
    pub access_until: DateTime<Utc>,
    pub payment_id: &'a str,
    pub series: u32,
    pub retired_payment_id: Option<&'a str>,
    #[serde(serialize_with = "as_stamp_opt")]
    pub retired_look_up_at: Option<DateTime<Utc>>,
    pub attempt_state: AttemptState,
    #[serde(serialize_with = "as_stamp_opt")]
    pub attempt_settled_at: Option<DateTime<Utc>>,
    pub transaction_id: Option<&'a str>,
    pub pg_provider: Option<&'a str>,
    pub pg_code: Option<&'a str>,
    pub pg_message: Option<&'a str>,
    pub decline_class: Option<crate::domain::decline::DeclineClass>,
    pub decline_reason: Option<crate::domain::decline::Reason>,
    pub decline_matched_by: Option<crate::domain::decline::MatchedBy>,
    pub note: Option<&'a str>,
    #[serde(serialize_with = "as_stamp_opt")]
    pub paid_at: Option<DateTime<Utc>>,
    pub pg_tx_id: Option<&'a str>,
    pub canceled_during_charge: bool,
    pub period_not_moved: bool,
    #[serde(serialize_with = "as_stamp_opt")]
    pub period_from: Option<DateTime<Utc>>,
    #[serde(serialize_with = "as_stamp_opt")]
    pub period_to: Option<DateTime<Utc>>,
    pub period_plan_id: Option<PlanId>,
    pub key_unusable: Option<&'a str>,
    pub key_unusable_reason: Option<&'a str>,
}

/// What is told and shown when a renewal was paid and its subscription was elsewhere.
pub const PERIOD_NOT_MOVED: &str =
    "paid, but the subscription was no longer at this period: the money is recorded, the period was not extended";

impl<'a> SettledOut<'a> {
    /// `from` and `lease_epoch` are what the row must still be; `period` is given only if it fits.
    pub fn new(settlement: &'a Settlement, row: &GuardRow, from: State, period: Option<&PeriodMove>) -> Self {
        let attempt = &settlement.attempt;
        let paid = settlement.payment.as_ref().filter(|_| settlement.state == State::Paid);
        let period_not_moved = settlement.period.is_some() && period.is_none();
        let (period_plan_id, period_from, period_to) = match period {
            Some(period) => (Some(period.plan_id().clone()), Some(period.from()), Some(period.to())),
            None => (None, None, None),
        };
        Self {
            renewal_id: settlement.renewal_id,
            subscription_id: settlement.subscription_id.as_str(),
            attempt_id: attempt.attempt_id,
            from_state: from,
            lease_epoch: row.lease_epoch,
            state: settlement.state,
            is_open: settlement.state.is_open(),
            next_attempt_at: settlement.next_attempt_at,
            next_look_up_at: settlement.next_look_up_at,
            waits_for_key: settlement.waits_for_key,
            unknown_since: settlement.unknown_since,
            look_ups: settlement.look_ups,
            declines: u8::from(settlement.declined),
            first_declined_at: settlement.first_declined_at,
            review_reason: match period_not_moved {
                true => Some(PERIOD_NOT_MOVED),
                false => settlement.review_reason.as_deref(),
            },
            access_until: settlement.access_until,
            payment_id: settlement.payment_id.as_str(),
            series: settlement.series,
            retired_payment_id: settlement.retired_payment_id.as_ref().map(crate::domain::ids::PaymentId::as_str),
            retired_look_up_at: settlement.retired_payment_id.as_ref().map(|_| row.now + look_ups::LATE[0]),
            attempt_state: attempt.state,
            attempt_settled_at: (attempt.state != AttemptState::Open).then_some(row.now),
            transaction_id: attempt.transaction_id.as_deref(),
            pg_provider: attempt.pg_provider.as_deref(),
            pg_code: attempt.pg_code.as_deref(),
            pg_message: attempt.pg_message.as_deref(),
            decline_class: attempt.class,
            decline_reason: attempt.reason,
            decline_matched_by: attempt.matched_by,
            note: attempt.note.as_deref(),
            paid_at: paid.and_then(|payment| payment.paid_at),
            pg_tx_id: paid.and_then(|payment| payment.pg_tx_id.as_deref()),
            canceled_during_charge: row.cancel_at_period_end,
            period_not_moved,
            period_from,
            period_to,
            period_plan_id,
            key_unusable: settlement.key_unusable.as_ref().map(crate::domain::ids::BillingKeyId::as_str),
            key_unusable_reason: attempt.note.as_deref().or(attempt.pg_code.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{PaymentId, SubscriptionId};
    use crate::domain::settlement::AttemptRecord;

    fn time() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn settlement(attempt: AttemptState, state: State, perishable: bool) -> Settlement {
        Settlement {
            renewal_id: RenewalId(uuid::Uuid::nil()),
            subscription_id: SubscriptionId::from("sub_1"),
            lease_epoch: 4,
            perishable,
            attempt: AttemptRecord {
                attempt_id: AttemptId(uuid::Uuid::nil()),
                state: attempt,
                transaction_id: None,
                pg_provider: None,
                pg_code: None,
                pg_message: None,
                class: None,
                reason: None,
                matched_by: None,
                note: None,
            },
            state,
            next_attempt_at: None,
            next_look_up_at: None,
            waits_for_key: false,
            unknown_since: None,
            look_ups: 0,
            declined: false,
            first_declined_at: None,
            review_reason: None,
            access_until: time(),
            payment_id: PaymentId::from("rn"),
            series: 0,
            retired_payment_id: None,
            payment: None,
            refund: None,
            period: None,
            key_unusable: None,
            events: Vec::new(),
            if_canceled: None,
        }
    }

    fn row(state: State, epoch: i64, live: bool, attempt: AttemptState, settled: Option<i64>) -> GuardRow {
        GuardRow {
            now: time(),
            renewal_id: uuid::Uuid::nil().to_string(),
            state: state.as_str().to_owned(),
            lease_epoch: epoch,
            lease_is_live: live,
            current_period_end: time(),
            cancel_at_period_end: false,
            attempt_state: attempt.as_str().to_owned(),
            settled_epoch: settled,
        }
    }

    #[test]
    fn only_a_payment_outlives_its_lease() {
        let expired = row(State::Charging, 4, false, AttemptState::Open, None);
        let decline = settlement(AttemptState::Declined, State::Due, true);
        let payment = settlement(AttemptState::Paid, State::Paid, false);
        assert_eq!(expired.standing(&decline), Standing::Lost);
        assert_eq!(expired.standing(&payment), Standing::Held);
    }

    #[test]
    fn a_later_claim_voids_everything() {
        let taken = row(State::Charging, 5, true, AttemptState::Open, None);
        assert_eq!(taken.standing(&settlement(AttemptState::Paid, State::Paid, false)), Standing::Lost);
        assert_eq!(taken.standing(&settlement(AttemptState::Open, State::Unknown, true)), Standing::Lost);
    }

    #[test]
    fn a_repeated_decline_is_as_canceled_only_where_that_was_written() {
        let canceled = settlement(AttemptState::Declined, State::Canceled, true);
        let decline = Settlement {
            if_canceled: Some(Box::new(canceled)),
            ..settlement(AttemptState::Declined, State::Due, true)
        };
        let after = |state| row(state, 4, false, AttemptState::Declined, Some(4));
        assert!(after(State::Canceled).is_as_canceled(&decline, Standing::Repeated));
        assert!(!after(State::Charging).is_as_canceled(&decline, Standing::Repeated), "claimed again since");
    }

    #[test]
    fn a_repeat_is_known_by_what_it_wrote() {
        let paid = row(State::Paid, 4, false, AttemptState::Paid, Some(4));
        assert_eq!(paid.standing(&settlement(AttemptState::Paid, State::Paid, false)), Standing::Repeated);
        assert_eq!(paid.standing(&settlement(AttemptState::Declined, State::Due, true)), Standing::Lost);
        let unknown = row(State::Unknown, 4, false, AttemptState::Open, None);
        assert_eq!(unknown.standing(&settlement(AttemptState::Open, State::Unknown, true)), Standing::Repeated);
    }

    #[test]
    fn a_decline_that_was_followed_by_a_new_claim_is_still_a_repeat_and_not_a_second_decline() {
        let claimed_again = row(State::Charging, 5, true, AttemptState::Declined, Some(4));
        assert_eq!(claimed_again.standing(&settlement(AttemptState::Declined, State::Due, true)), Standing::Repeated);
    }
}
