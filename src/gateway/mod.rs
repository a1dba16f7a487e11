//! The port to the payment gateway: the few questions that the engine asks it, in our words.
//!
//! What does not live here: no retries, no waiting, no decision about money. A charge is asked for with a
//! [`Committed`] attempt only, so it cannot be sent before it is on disk.

pub mod metered;
pub mod portone;
pub mod simulator;

use crate::domain::charge::{Attempt, BillingKey, FrozenRequest, Order};
use crate::domain::ids::{CustomerId, PaymentId};
use crate::domain::payment::{ChannelType, LookUp, Payment};
use crate::store::Committed;
use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use crate::domain::answer::Answer;

/// Why a question other than a charge or a look-up could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// 401 or 403: an expired secret looks like this too.
    #[error("the gateway refused our credentials ({0})")]
    Unauthorized(String),
    /// The gateway understood and said no, with its own word for it.
    #[error("the gateway refused the request: {kind}: {message}")]
    Refused { kind: String, message: String },
    /// Time-out, reset, no connection, not PortOne's words.
    #[error("the gateway did not answer: {0}")]
    NoAnswer(String),
}

/// Which time of a payment a listing goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedBy {
    /// When it was made, with its first attempt: no payment moves between pages.
    Created,
    /// When its state changed last. One that changes meanwhile leaves its page.
    Changed,
}

/// A range of payments by one of their times, one page of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRange {
    pub by: ListedBy,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// Counts from 0.
    pub page: u32,
    pub page_size: u32,
}

/// One page of payments; `total` counts all pages.
#[derive(Clone, Debug, PartialEq)]
pub struct PaymentPage {
    pub items: Vec<Payment>,
    pub total: u64,
}

/// A request to give money back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    pub payment_id: PaymentId,
    /// Minor units; `None` gives everything back.
    pub amount: Option<i64>,
    /// What must still be cancellable for this to go through: makes a repeat harmless.
    pub cancellable: Option<i64>,
    pub reason: String,
    /// Same text, same cancellation, for three hours.
    pub idempotency_key: String,
}

/// How a cancellation stands; the gateway answers 200 for all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancellationStatus {
    Requested,
    Succeeded,
    Failed,
}

/// Whether a billing key can still be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillingKeyStatus {
    Issued,
    Deleted,
    NotFound,
}

/// What a billing key is good for, as the gateway tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedKey {
    /// Whose it is, in the name that was given when it was issued.
    pub customer_id: Option<CustomerId>,
    /// Through which it can be charged.
    pub channels: Vec<KeyChannel>,
}

/// A channel that a billing key was issued on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChannel {
    pub key: Option<String>,
    pub pg_provider: Option<String>,
    /// `None` for a word that this version does not know.
    pub channel_type: Option<ChannelType>,
}

/// Charges of one billing key that the gateway was told to make by itself, by the time that they are due.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleRange {
    pub billing_key: BillingKey,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// A charge that the gateway will make by itself, or is making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub id: String,
    pub payment_id: Option<PaymentId>,
    pub due_at: Option<DateTime<Utc>>,
}

/// What the engine asks of a payment gateway.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// The body that a charge of `order` will send, but for the billing key: committed with the attempt.
    fn freeze(&self, order: &Order) -> FrozenRequest;

    /// Sends one attempt, once. Any failure of the wire is an [`Answer`] too.
    async fn charge(&self, attempt: &Committed<Attempt>) -> Answer;

    /// Reads one payment: the only place that decides.
    async fn payment(&self, id: &PaymentId) -> LookUp;

    /// Lists payments by the time that the range names, oldest first.
    async fn payments(&self, range: &PaymentRange) -> Result<PaymentPage, GatewayError>;

    /// Gives money back.
    async fn cancel(&self, cancellation: &Cancellation) -> Result<CancellationStatus, GatewayError>;

    /// Whether a billing key is still issued.
    async fn billing_key(&self, key: &BillingKey) -> Result<BillingKeyStatus, GatewayError>;

    /// Whose a billing key is, and where it can be charged; `None` unless it is issued.
    async fn issued_key(&self, key: &BillingKey) -> Result<Option<IssuedKey>, GatewayError>;

    /// Charges of a billing key that are still to come: a few of them, if there are many.
    async fn schedules(&self, range: &ScheduleRange) -> Result<Vec<Schedule>, GatewayError>;

    /// How far the gateway's clock was ahead of ours at its last answer; `None` before the first.
    fn clock_skew(&self) -> Option<chrono::Duration>;
}
