//! What people are shown: rows read for `status` and `show`. No billing key is ever among them.

use crate::domain::coverage::{Day, Ledger};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

/// How many renewals stand where, and since when the oldest is unresolved.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Backlog {
    /// Renewals by state, without the paid: those are told by day and by run.
    pub by_state: std::collections::BTreeMap<String, i64>,
    /// `due` and claimable now.
    pub due_now: i64,
    /// `due` and waiting for a new billing key.
    pub waits_for_key: i64,
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Start of the oldest attempt that is `unknown`.
    pub oldest_unknown: Option<DateTime<Utc>>,
    /// Its renewal.
    pub oldest_unknown_id: Option<String>,
    /// When the first of the unknown is looked up again.
    pub unknown_look_up_at: Option<DateTime<Utc>>,
    /// Claims that are open under an expired lease.
    pub unsettled: i64,
    /// Start of the oldest attempt that is open under an expired lease.
    pub oldest_unsettled: Option<DateTime<Utc>>,
    /// Its renewal.
    pub oldest_unsettled_id: Option<String>,
    /// When the gateway is asked about a payment next, whatever for.
    pub next_look_up_at: Option<DateTime<Utc>>,
    /// Payments that are being given back and are not back yet.
    pub refunds_open: i64,
}

/// A payment gateway's code that the tables did not know when it came.
#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct UnseenCode {
    pub pg_provider: Option<String>,
    pub pg_code: Option<String>,
    /// How it was treated.
    pub decline_class: String,
    pub decline_reason: String,
    /// What that rested on: a rule on its message, or nothing.
    pub matched_by: String,
    pub attempts: i64,
    /// Two of its messages, the first and the last by their letters: where they differ, the code alone says little.
    pub message: Option<String>,
    pub other_message: Option<String>,
    pub first_seen: DateTime<Utc>,
    pub last_seen: DateTime<Utc>,
}

/// What a database says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Health {
    /// Its name and version.
    pub server: String,
    /// It takes no writes: a standby, or a setting.
    pub is_read_only: bool,
    /// Settings under which a commit may be lost with the power; empty where there are none.
    pub weaknesses: String,
    /// Tables that this role may not read and write; empty where there are none.
    pub closed_tables: String,
    /// What a connection is set to is gone in its next transaction: a pooler hands servers around.
    pub forgets_settings: bool,
}

/// A renewal that is not over, or that its customer's change of mind may open again.
#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct OpenRenewalRow {
    pub id: String,
    pub subscription_id: String,
    pub customer_id: String,
    pub plan_id: String,
    pub period_start: DateTime<Utc>,
    pub period_end: Option<DateTime<Utc>>,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub state: String,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    pub attempt_count: i64,
    pub cancel_at_period_end: bool,
    /// The subscription is `active` or `past_due` and still at the renewal's period start.
    pub period_is_next: bool,
}

/// What could be claimed now, in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct DueSum {
    pub currency: String,
    pub renewals: i64,
    /// Those among them that were never tried.
    pub first: i64,
    /// In minor units.
    pub minor: i64,
}

/// What was taken, or refused, for one reason on one business date, in one currency by one payment gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Taking {
    /// Of the run that tried it.
    pub business_date: NaiveDate,
    pub currency: String,
    /// `paid`, `declined`, or `refused`: our configuration.
    pub state: String,
    pub decline_reason: Option<String>,
    pub pg_provider: Option<String>,
    pub attempts: i64,
    /// In minor units: what was taken, or would have been.
    pub minor: i64,
}

/// Renewals that are open although they should be paid by now: those that wait for the same thing in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct AtRisk {
    /// `due` after a decline or without a card, `unknown`, `review`.
    pub state: String,
    /// For a new billing key.
    pub waits_for_key: bool,
    /// `None` where the renewal could not be read.
    pub currency: Option<String>,
    pub renewals: i64,
    /// In minor units.
    pub minor: i64,
}

/// On which channel a customer would be charged: that of the newest usable billing key.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyChannel {
    pub customer_id: String,
    /// `None`: the key names no channel.
    pub channel_key: Option<String>,
}

/// One business date of the coverage ledger, over all its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct CoverageDay {
    pub business_date: NaiveDate,
    /// A run did all its work for it.
    pub covered: bool,
    /// The first run that did.
    pub covered_by: Option<String>,
    pub runs: i64,
    /// Renewals that were planned to be charged.
    pub planned: i64,
    pub paid: i64,
    pub declined: i64,
    pub failed: i64,
    pub canceled: i64,
    pub lapsed: i64,
    pub no_billing_key: i64,
    pub unknown: i64,
    pub review: i64,
}

/// The coverage ledger from some date on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The first date that was ever covered, however long ago.
    pub first_covered: Option<NaiveDate>,
    /// In order of their dates; those without a run are not there.
    pub days: Vec<CoverageDay>,
}

impl Coverage {
    /// As decisions read it.
    pub fn ledger(&self) -> Ledger {
        let day = |row: &CoverageDay| Day {
            business_date: row.business_date,
            covered: row.covered,
            planned: u64::try_from(row.planned).unwrap_or(0),
        };
        Ledger::new(self.first_covered, self.days.iter().map(day))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct RunRow {
    pub id: String,
    pub trigger: String,
    pub business_date: NaiveDate,
    pub zone: String,
    pub status: String,
    pub actor: String,
    /// JSON; `{}` while it runs.
    #[sqlx(json)]
    pub figures: serde_json::Value,
    pub error: Option<String>,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct RenewalRow {
    pub id: String,
    pub subscription_id: String,
    pub plan_id: String,
    pub business_date: NaiveDate,
    pub period_start: DateTime<Utc>,
    pub period_end: Option<DateTime<Utc>>,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub state: String,
    pub payment_id: String,
    pub attempt_count: i64,
    pub decline_count: i64,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    pub access_until: DateTime<Utc>,
    pub review_reason: Option<String>,
    pub canceled_during_charge: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct AttemptRow {
    pub id: String,
    pub renewal_id: String,
    pub run_id: String,
    pub number: i64,
    pub payment_id: String,
    pub billing_key_id: String,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
    pub state: String,
    pub started_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
    pub transaction_id: Option<String>,
    pub pg_code: Option<String>,
    pub pg_message: Option<String>,
    pub decline_class: Option<String>,
    pub decline_reason: Option<String>,
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct PaymentRow {
    pub payment_id: String,
    pub renewal_id: Option<String>,
    pub status: String,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub cancelled_amount: i64,
    pub pg_provider: Option<String>,
    pub pg_tx_id: Option<String>,
    pub paid_at: Option<DateTime<Utc>>,
    pub verified: bool,
    pub recorded_at: DateTime<Utc>,
}

/// Money that is given back.
#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct RefundRow {
    pub payment_id: String,
    pub renewal_id: String,
    /// Minor units.
    pub amount: i64,
    pub currency: String,
    pub reason: String,
    pub state: String,
    pub tries: i64,
    pub next_try_at: Option<DateTime<Utc>>,
    /// What the gateway said last.
    pub note: Option<String>,
    pub wanted_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Counts from 1 within the payment.
    pub number: i64,
    /// Tells a person's refunds of one payment apart.
    pub reference: String,
    /// What of the payment stays after it, in minor units.
    pub left_after: i64,
}

/// What somebody did by hand.
#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct ActionRow {
    pub id: String,
    pub kind: String,
    pub actor: String,
    pub reason: Option<String>,
    pub evidence: Option<String>,
    pub subscription_id: Option<String>,
    pub renewal_id: Option<String>,
    pub payment_id: Option<String>,
    pub run_id: Option<String>,
    #[sqlx(json)]
    pub details: serde_json::Value,
    pub created_at: DateTime<Utc>,
}

/// The row of a billing key, without the key.
#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct KeyRow {
    pub id: String,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
    pub state: String,
    pub unusable_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct EventRow {
    pub id: String,
    pub kind: String,
    pub renewal_id: Option<String>,
    #[sqlx(json)]
    pub payload: serde_json::Value,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct AccessRow {
    pub subscription_id: String,
    pub customer_id: String,
    pub plan_id: String,
    pub tier: String,
    pub status: String,
    pub current_period_end: DateTime<Utc>,
    pub access_until: DateTime<Utc>,
    pub cancel_at_period_end: bool,
    pub billing_key_state: String,
}

/// One subscription with all that happened to it, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    pub subscription: AccessRow,
    pub renewals: Vec<RenewalRow>,
    pub attempts: Vec<AttemptRow>,
    pub payments: Vec<PaymentRow>,
    pub refunds: Vec<RefundRow>,
    pub events: Vec<EventRow>,
    /// What people did by hand.
    pub actions: Vec<ActionRow>,
    /// The customer's billing keys, the newest first.
    pub keys: Vec<KeyRow>,
}
