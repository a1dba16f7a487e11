//! Which subscriptions are due, and what becomes of each: facts in, one disposition out.

use super::event::NewEvent;
use super::ids::{CustomerId, PaymentId, PlanId, RenewalId, SubscriptionId};
use super::renewal::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

/// A subscription as the planner reads it. Texts that the API service wrote are raw: a row that cannot be read is a
/// disposition of its own, and holds up nobody else.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionFacts {
    pub id: SubscriptionId,
    pub customer_id: CustomerId,
    /// The plan of the next period: `next_plan_id` where one is set.
    pub plan_id: PlanId,
    pub amount: i64,
    pub currency: String,
    pub interval: String,
    pub order_name: String,
    pub current_period_start: DateTime<Utc>,
    pub current_period_end: DateTime<Utc>,
    pub anchor_day: i64,
    pub cancel_at_period_end: bool,
    pub has_usable_key: bool,
}

/// A renewal as planning records it: one row, whatever its disposition, so that nothing due is invisible.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedRenewal {
    pub id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub customer_id: CustomerId,
    pub plan_id: PlanId,
    pub business_date: NaiveDate,
    pub period_start: DateTime<Utc>,
    /// `None` only where the row could not be read (then the state is `review`).
    pub period_end: Option<DateTime<Utc>>,
    /// Minor units; `None` only where the row could not be read.
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub order_name: String,
    pub payment_id: PaymentId,
    pub state: State,
    /// When it may be claimed; `None` while it waits for a billing key, and in final states.
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    pub access_until: DateTime<Utc>,
    pub review_reason: Option<String>,
    pub events: Vec<NewEvent>,
}

/// Why a subscription that ends soon is not charged, or that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    Renew,
    Cancel,
    Lapse,
    NoKey,
    Review,
}
