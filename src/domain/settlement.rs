//! What a settle records for one attempt: decided here, written in one transaction by the store.

use super::attempt::AttemptState;
use super::decline::{DeclineClass, MatchedBy, Reason};
use super::event::NewEvent;
use super::ids::{AttemptId, BillingKeyId, PaymentId, PlanId, RenewalId, SubscriptionId};
use super::refund::NewRefund;
use super::renewal::State;
use super::verdict::Verified;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A payment as it is recorded: the money.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PaymentRecord {
    pub payment_id: PaymentId,
    pub renewal_id: Option<RenewalId>,
    /// The gateway's word for it.
    pub status: String,
    /// Minor units.
    pub total: Option<i64>,
    pub cancelled: i64,
    pub currency: Option<String>,
    pub transaction_id: Option<String>,
    pub pg_tx_id: Option<String>,
    pub pg_provider: Option<String>,
    pub channel_type: Option<String>,
    pub paid_at: Option<DateTime<Utc>>,
    /// Whether it matched the order in everything.
    pub verified: bool,
}

/// The subscription's step to the next period. Can only be made from a verified payment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeriodMove {
    plan_id: PlanId,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl PeriodMove {
    /// The move from the old period's end (`from`) to `to`, on `plan_id`, paid for by `_proof`.
    pub fn paid_by(_proof: &Verified, plan_id: PlanId, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { plan_id, from, to }
    }

    /// The plan that the new period is on.
    pub fn plan_id(&self) -> &PlanId {
        &self.plan_id
    }

    /// Where the subscription must still be.
    pub fn from(&self) -> DateTime<Utc> {
        self.from
    }

    /// Where the new period ends.
    pub fn to(&self) -> DateTime<Utc> {
        self.to
    }
}

/// How the attempt ended, or that it is still open.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptRecord {
    pub attempt_id: AttemptId,
    pub state: AttemptState,
    pub transaction_id: Option<String>,
    pub pg_provider: Option<String>,
    pub pg_code: Option<String>,
    pub pg_message: Option<String>,
    pub class: Option<DeclineClass>,
    pub reason: Option<Reason>,
    /// What the class rests on: unseen codes are counted by it.
    pub matched_by: Option<MatchedBy>,
    /// What was learned, for the timeline; at most 256 characters, no secrets.
    pub note: Option<String>,
}

/// Everything that settling one attempt writes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settlement {
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub lease_epoch: i64,
    /// Only a live lease may write this: a negative verdict grows old while its worker sleeps. A payment never does.
    pub perishable: bool,
    pub attempt: AttemptRecord,
    pub state: State,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    pub unknown_since: Option<DateTime<Utc>>,
    pub look_ups: u32,
    /// One more decline than before.
    pub declined: bool,
    pub first_declined_at: Option<DateTime<Utc>>,
    pub review_reason: Option<String>,
    pub access_until: DateTime<Utc>,
    /// The next attempts use this payment id: another one only when the series moved on.
    pub payment_id: PaymentId,
    pub series: u32,
    /// The payment id that was given up, to be looked up for 30 more days.
    pub retired_payment_id: Option<PaymentId>,
    pub payment: Option<PaymentRecord>,
    /// The payment is given back: wanted from the moment that this is written.
    pub refund: Option<NewRefund>,
    pub period: Option<PeriodMove>,
    /// This key cannot be charged any more.
    pub key_unusable: Option<BillingKeyId>,
    pub events: Vec<NewEvent>,
    /// What is recorded instead if the subscription turns out, under the settle's lock, to be cancelled.
    pub if_canceled: Option<Box<Settlement>>,
}

impl Settlement {
    /// What is recorded, once it is known whether the customer cancelled.
    pub fn as_recorded(&self, canceled: bool) -> &Self {
        self.if_canceled.as_deref().filter(|_| canceled).unwrap_or(self)
    }
}
