//! A payment as the gateway tells it, in our words: what a look-up sees. Nothing here is believed before
//! [`super::verdict`] has compared it with the order.

use super::charge::BillingKey;
use chrono::{DateTime, Utc};

/// Where a payment stands at the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    Ready,
    Pending,
    VirtualAccountIssued,
    Paid,
    Failed,
    PartialCancelled,
    Cancelled,
    /// A word that this version does not know. The gateway may add words at any time.
    Other(String),
}

impl PaymentStatus {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ready => "READY",
            Self::Pending => "PAY_PENDING",
            Self::VirtualAccountIssued => "VIRTUAL_ACCOUNT_ISSUED",
            Self::Paid => "PAID",
            Self::Failed => "FAILED",
            Self::PartialCancelled => "PARTIAL_CANCELLED",
            Self::Cancelled => "CANCELLED",
            Self::Other(word) => word,
        }
    }
}

/// Whether money moves on a channel, or only test money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelType {
    Live,
    Test,
}

impl ChannelType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Test => "TEST",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "LIVE" => Some(Self::Live),
            "TEST" => Some(Self::Test),
            _ => None,
        }
    }
}

/// Why the payment gateway behind the gateway said no; every part of it is optional there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    pub reason: Option<String>,
    pub pg_code: Option<String>,
    pub pg_message: Option<String>,
}

/// One payment. Every field that a decision does not need for certain is optional, because the gateway may leave it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    /// The `paymentId` that the gateway echoes.
    pub id: String,
    pub status: PaymentStatus,
    /// Each attempt at one payment has its own.
    pub transaction_id: Option<String>,
    pub store_id: Option<String>,
    /// `amount.total` in minor units: what was to be charged, before discounts.
    pub total: Option<i64>,
    /// Sum already given back, in minor units.
    pub cancelled: i64,
    pub currency: Option<String>,
    pub billing_key: Option<BillingKey>,
    pub custom_data: Option<String>,
    pub channel_type: Option<ChannelType>,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
    pub pg_tx_id: Option<String>,
    pub requested_at: Option<DateTime<Utc>>,
    pub paid_at: Option<DateTime<Utc>>,
    pub failed_at: Option<DateTime<Utc>>,
    pub failure: Failure,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq)]
pub enum LookUp {
    Found(Box<Payment>),
    /// 404: the gateway has no such payment *yet*. Proves nothing within ten minutes of a request.
    NotFound,
    /// The gateway refused our credentials. Says nothing about the payment.
    Unauthorized(String),
    /// The look-up itself failed; says nothing about the payment.
    Failed(String),
}
