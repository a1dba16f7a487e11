//! Payments that the store is asked about, and what it knows of them.

use super::stamp::as_stamp_opt;
use super::uuid;
use crate::domain::charge::BillingKey;
use crate::domain::ids::{BillingKeyId, PaymentId, RenewalId, SubscriptionId};
use crate::domain::reconcile::{KnownPayment, KnownRenewal, KnownSubscription, RecordedPayment, WantedPayment};
use crate::domain::renewal::State;
use crate::store::StoreError;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A payment that is asked about.
#[derive(Serialize)]
pub struct WantedOut<'a> {
    payment_id: &'a PaymentId,
    subscription_id: Option<&'a SubscriptionId>,
    #[serde(serialize_with = "as_stamp_opt")]
    period_start: Option<DateTime<Utc>>,
    number: Option<u32>,
}

impl<'a> From<&'a WantedPayment> for WantedOut<'a> {
    fn from(wanted: &'a WantedPayment) -> Self {
        Self {
            payment_id: &wanted.payment_id,
            subscription_id: wanted.subscription_id.as_ref(),
            period_start: wanted.period_start,
            number: wanted.attempt,
        }
    }
}

/// A billing key within a row. No `Debug`: it holds the key.
#[derive(Deserialize)]
pub struct KeyOf {
    id: String,
    billing_key: String,
}

/// What is known of one payment.
#[derive(sqlx::FromRow)]
pub struct KnownRow {
    payment_id: String,
    renewal_id: Option<String>,
    renewal_subscription_id: Option<String>,
    state: Option<String>,
    renewal_payment_id: Option<String>,
    series: Option<i64>,
    subscription_id: Option<String>,
    current_period_end: Option<DateTime<Utc>>,
    renews: Option<bool>,
    amount: Option<i64>,
    cancelled_amount: Option<i64>,
    currency: Option<String>,
    verified: Option<bool>,
    attempted: bool,
    #[sqlx(json)]
    keys: Vec<KeyOf>,
}

impl KnownRow {
    /// # Errors
    /// [`StoreError::Row`] for a renewal that holds what it must not.
    pub fn into_known(self) -> Result<KnownPayment, StoreError> {
        let renewal = match (self.renewal_id, self.renewal_subscription_id, self.renewal_payment_id) {
            (Some(id), Some(subscription), Some(payment_id)) => {
                let state = self.state.unwrap_or_default();
                let unreadable = || StoreError::Row {
                    table: "renewals",
                    key: id.clone(),
                    problem: format!("its state is \"{state}\""),
                };
                Some(KnownRenewal {
                    id: RenewalId(uuid("renewals", &id)?),
                    subscription_id: SubscriptionId(subscription),
                    state: State::parse(&state).ok_or_else(unreadable)?,
                    payment_id: PaymentId(payment_id),
                    series: u32::try_from(self.series.unwrap_or(0)).unwrap_or(u32::MAX),
                })
            }
            _ => None,
        };
        let subscription = self.subscription_id.zip(self.current_period_end).map(|(id, current_period_end)| {
            KnownSubscription { id: SubscriptionId(id), current_period_end, renews: self.renews.unwrap_or(false) }
        });
        let recorded = self.verified.map(|verified| RecordedPayment {
            total: self.amount,
            cancelled: self.cancelled_amount.unwrap_or(0),
            currency: self.currency,
            verified,
        });
        let keys = self.keys.into_iter().map(|key| (BillingKeyId(key.id), BillingKey::new(key.billing_key)));
        Ok(KnownPayment {
            payment_id: PaymentId(self.payment_id),
            renewal,
            recorded,
            subscription,
            attempted: self.attempted,
            keys: keys.collect(),
        })
    }
}
