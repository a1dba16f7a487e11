//! A payment as it is written down: as money, or as something that was seen.

use super::stamp::as_stamp_opt;
use crate::domain::ids::RenewalId;
use crate::domain::settlement::{PaymentRecord, Settlement};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A row of `payments` or `observations`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PaymentOut {
    pub payment_id: String,
    pub renewal_id: Option<RenewalId>,
    pub status: String,
    pub amount: Option<i64>,
    pub cancelled_amount: i64,
    pub currency: Option<String>,
    pub transaction_id: Option<String>,
    pub pg_tx_id: Option<String>,
    pub pg_provider: Option<String>,
    pub channel_type: Option<String>,
    #[serde(serialize_with = "as_stamp_opt")]
    pub paid_at: Option<DateTime<Utc>>,
    pub verified: bool,
    /// For observations: who saw it, or why it was not settled.
    pub seen_by: String,
}

impl PaymentOut {
    pub fn new(payment: &PaymentRecord, renewal: Option<RenewalId>, seen_by: &str) -> Self {
        Self {
            payment_id: payment.payment_id.0.clone(),
            renewal_id: payment.renewal_id.or(renewal),
            status: payment.status.clone(),
            amount: payment.total,
            cancelled_amount: payment.cancelled,
            currency: payment.currency.clone(),
            transaction_id: payment.transaction_id.clone(),
            pg_tx_id: payment.pg_tx_id.clone(),
            pg_provider: payment.pg_provider.clone(),
            channel_type: payment.channel_type.clone(),
            paid_at: payment.paid_at,
            verified: payment.verified,
            seen_by: seen_by.to_owned(),
        }
    }

    /// The payment of a settlement, for `payments` or, if it came too late for its lease, for `observations`.
    pub fn of(settlement: &Settlement, seen_by: &str) -> Option<Self> {
        let payment = settlement.payment.as_ref()?;
        Some(Self::new(payment, Some(settlement.renewal_id), seen_by))
    }
}
