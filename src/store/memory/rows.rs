//! Rows as they stand in the tables, with the columns that the SQL stores have. An auditor may read them all.

use crate::domain::action::NewAction;
use crate::domain::attempt::AttemptState;
use crate::domain::coverage::Entry;
use crate::domain::decline::{DeclineClass, MatchedBy, Reason};
use crate::domain::delivery::SinkName;
use crate::domain::event::NewEvent;
use crate::domain::ids::{
    AttemptId, BillingKeyId, CustomerId, EventId, PaymentId, PlanId, RenewalId, RunId, SubscriptionId,
};
use crate::domain::look_ahead::KeyFound;
use crate::domain::notice::NoticeKind;
use crate::domain::refund::{NewRefund, RefundState};
use crate::domain::renewal::State;
use crate::store::rows::money::PaymentOut;
use crate::store::{CustomerRow, PlanRow, SubscriptionRow};
use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
use serde::Serialize;

/// What one run did for one business date: a row of `coverage_runs`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Covered {
    #[serde(flatten)]
    pub entry: Entry,
    pub recorded_at: DateTime<Utc>,
}

/// What was fixed when the tables were made.
#[derive(Clone)]
pub(super) struct Installed {
    pub payment_id_key: SecretString,
    pub pinned: Option<crate::store::Pinned>,
    pub clock_high_water: DateTime<Utc>,
}

pub type Plan = PlanRow;
pub type Customer = CustomerRow;

/// A stored card or wallet. Its key is never serialized.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BillingKey {
    pub id: String,
    pub customer_id: String,
    #[serde(skip)]
    pub billing_key: crate::domain::charge::BillingKey,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
    pub state: KeyState,
    pub unusable_reason: Option<String>,
    /// The newest key comes first.
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl BillingKey {
    pub fn is_usable(&self) -> bool {
        self.state == KeyState::Usable
    }
}

/// Whether a key can be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    Usable,
    Unusable,
}

/// One customer on one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subscription {
    #[serde(flatten)]
    pub row: SubscriptionRow,
    pub tier: String,
    /// `active`, `past_due`, `downgraded`.
    pub status: &'static str,
    pub updated_at: DateTime<Utc>,
}

impl Subscription {
    /// `active` or `past_due`.
    pub fn is_live(&self) -> bool {
        matches!(self.status, "active" | "past_due")
    }

    /// It is live, and the renewal from `period_start` is the next one.
    pub fn is_at(&self, period_start: DateTime<Utc>) -> bool {
        self.is_live() && self.row.current_period_end == period_start
    }

    /// The same, downgraded or not.
    pub fn ends_at(&self, period_start: DateTime<Utc>) -> bool {
        self.row.current_period_end == period_start
    }
}

/// The move of one subscription from one period to the next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Renewal {
    pub id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub customer_id: CustomerId,
    pub plan_id: PlanId,
    pub business_date: NaiveDate,
    pub period_start: DateTime<Utc>,
    pub period_end: Option<DateTime<Utc>>,
    /// Minor units.
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub order_name: String,
    pub payment_id: PaymentId,
    pub series: u32,
    pub state: State,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    pub access_until: DateTime<Utc>,
    pub attempt_count: i64,
    pub decline_count: i64,
    pub unsettled_claims: i64,
    pub lease_epoch: i64,
    pub lease_until: Option<DateTime<Utc>>,
    pub first_declined_at: Option<DateTime<Utc>>,
    pub last_decline_class: Option<DeclineClass>,
    pub last_decline_reason: Option<Reason>,
    pub last_pg_code: Option<String>,
    pub last_pg_message: Option<String>,
    pub unknown_since: Option<DateTime<Utc>>,
    pub look_ups: i64,
    pub canceled_during_charge: bool,
    pub period_not_moved: bool,
    pub review_reason: Option<String>,
    pub paid_at: Option<DateTime<Utc>>,
    pub pg_tx_id: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    pub commanded_until: Option<DateTime<Utc>>,
    pub planned_by: RunId,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Renewal {
    /// A person's command to charge it stands.
    pub fn is_commanded(&self, now: DateTime<Utc>) -> bool {
        self.commanded_until.is_some_and(|until| until > now)
    }
}

/// One try at charging a renewal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    pub id: AttemptId,
    pub renewal_id: RenewalId,
    pub run_id: RunId,
    pub number: u32,
    pub payment_id: PaymentId,
    pub series: u32,
    pub idempotency_key: String,
    pub billing_key_id: BillingKeyId,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
    pub request_body: String,
    pub request_hash: String,
    pub protocol_version: i64,
    pub state: AttemptState,
    pub started_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
    pub settled_epoch: Option<i64>,
    pub transaction_id: Option<String>,
    pub pg_code: Option<String>,
    pub pg_message: Option<String>,
    pub decline_class: Option<DeclineClass>,
    pub decline_reason: Option<Reason>,
    pub decline_matched_by: Option<MatchedBy>,
    pub note: Option<String>,
}

/// Money, or the sight of it: a row of `payments` or `observations`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    #[serde(flatten)]
    pub payment: PaymentOut,
    /// When the row was written.
    pub recorded_at: DateTime<Utc>,
}

/// A payment id of an earlier series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retired {
    pub payment_id: PaymentId,
    pub renewal_id: RenewalId,
    pub series: u32,
    pub retired_at: DateTime<Utc>,
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub look_ups: i64,
}

/// Money that is given back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refund {
    #[serde(flatten)]
    pub wanted: NewRefund,
    pub state: RefundState,
    pub tries: u32,
    pub next_try_at: Option<DateTime<Utc>>,
    pub note: Option<String>,
    pub wanted_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What is known of a renewal before its day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LookAhead {
    pub subscription_id: SubscriptionId,
    pub period_start: DateTime<Utc>,
    pub looked_at: Option<DateTime<Utc>>,
    pub key_state: Option<KeyFound>,
    pub schedule_id: Option<String>,
    pub noticed_at: Option<DateTime<Utc>>,
    pub noticed_amount: Option<i64>,
    pub noticed_currency: Option<String>,
}

/// One event on its way to one sink.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delivery {
    pub sink: SinkName,
    pub event_id: EventId,
    pub subscription_id: Option<SubscriptionId>,
    /// `pending`, `delivered`, `dead`, `dropped`.
    pub state: &'static str,
    pub tries: u32,
    pub next_try_at: Option<DateTime<Utc>>,
    pub claim: Option<uuid::Uuid>,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A message of the gateway's that makes us look.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Webhook {
    pub id: String,
    pub kind: NoticeKind,
    pub payment_id: Option<PaymentId>,
    pub billing_key_id: Option<BillingKeyId>,
    pub happened_at: Option<DateTime<Utc>>,
    pub received_at: DateTime<Utc>,
    /// `pending`, `done`, `given_up`.
    pub state: &'static str,
    pub tries: u32,
    pub next_try_at: Option<DateTime<Utc>>,
    pub note: Option<String>,
}

pub type Event = NewEvent;
pub type Action = NewAction;
pub type Run = crate::store::read::RunRow;
