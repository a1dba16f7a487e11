//! Whether a renewal that is due may be charged now, decided from facts read under the claim's locks.

use super::attempt::AttemptState;
use super::charge::{Attempt, BillingKey, Payer};
use super::decline::DeclineClass;
use super::event::NewEvent;
use super::ids::{BillingKeyId, CustomerId, PaymentId, PlanId, RenewalId, SubscriptionId};
use super::renewal::State;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A usable billing key of the customer.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFacts {
    pub id: BillingKeyId,
    pub key: BillingKey,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
    pub usable: bool,
}

/// An earlier attempt of the renewal.
#[derive(Clone, Debug, PartialEq)]
pub struct PastAttempt {
    pub number: u32,
    pub state: AttemptState,
    pub billing_key_id: BillingKeyId,
    pub transaction_id: Option<String>,
    pub class: Option<DeclineClass>,
    pub settled_at: Option<DateTime<Utc>>,
}

/// A renewal under the claim's lock.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimFacts {
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub customer_id: CustomerId,
    pub plan_id: PlanId,
    pub payment_id: PaymentId,
    pub series: u32,
    pub amount: i64,
    pub currency: String,
    pub order_name: String,
    pub period_start: DateTime<Utc>,
    pub period_end: DateTime<Utc>,
    pub access_until: DateTime<Utc>,
    pub next_attempt_at: DateTime<Utc>,
    pub lease_epoch: i64,
    /// Claims since the last settle: a row that kills the process must not be claimed for ever.
    pub unsettled_claims: u32,
    pub cancel_at_period_end: bool,
    /// The subscription is `active` or `past_due` and still at `period_start`.
    pub period_is_next: bool,
    pub payer: Payer,
    /// All keys of the customer, the newest first, unusable ones included.
    pub keys: Vec<KeyFacts>,
    /// Oldest first.
    pub attempts: Vec<PastAttempt>,
    /// The database's clock, under the lock.
    pub now: DateTime<Utc>,
}

/// What becomes of a claimed row.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimDecision {
    /// Commit this attempt and hand it out.
    Charge(Box<Attempt>),
    /// Not now: leave the row as it is (its channel is stopped, for one).
    Skip,
    /// It is not charged; the row changes instead.
    Change(RenewalChange),
}

/// A change of a renewal that no attempt is part of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RenewalChange {
    pub renewal_id: RenewalId,
    /// Only if the renewal is still in this state: the change was decided from it.
    pub from: State,
    pub to: State,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    pub review_reason: Option<String>,
    pub events: Vec<NewEvent>,
}
