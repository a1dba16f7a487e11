//! The rows of looking ahead: what is read of a subscription, and what is written.

use super::stamp::{as_stamp, as_stamp_opt};
use super::uuid;
use crate::domain::charge::BillingKey;
use crate::domain::event::NewEvent;
use crate::domain::ids::{BillingKeyId, PlanId, RenewalId, SubscriptionId};
use crate::domain::look_ahead::{KeyFound, LookAheadFacts, LookedAhead, StoredKey};
use crate::domain::renewal::State;
use crate::store::StoreError;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A subscription, as `look_ahead_facts` reads it.
#[derive(sqlx::FromRow)]
pub struct LookAheadRow {
    pub subscription_id: String,
    pub plan_id: String,
    pub amount: i64,
    pub currency: String,
    pub interval: String,
    pub order_name: String,
    pub current_period_end: DateTime<Utc>,
    pub anchor_day: i64,
    pub renewal_id: Option<String>,
    pub renewal_state: Option<String>,
    #[sqlx(json)]
    pub keys: Vec<StoredKeyJson>,
    pub looked_at: Option<DateTime<Utc>>,
    pub key_state: Option<String>,
    pub noticed_amount: Option<i64>,
    pub noticed_currency: Option<String>,
}

/// A usable billing key within a row. No `Debug`: it holds the key.
#[derive(Deserialize)]
pub struct StoredKeyJson {
    id: String,
    billing_key: String,
    channel_key: Option<String>,
}

impl LookAheadRow {
    /// # Errors
    /// [`StoreError::Row`] where an id cannot be read.
    pub fn into_facts(self) -> Result<LookAheadFacts, StoreError> {
        let id = self.renewal_id.map(|id| uuid("renewals", &id)).transpose()?.map(RenewalId);
        let state = self.renewal_state.as_deref().and_then(State::parse);
        let key = |row: StoredKeyJson| StoredKey {
            id: BillingKeyId(row.id),
            key: BillingKey::new(row.billing_key),
            channel_key: row.channel_key,
        };
        Ok(LookAheadFacts {
            subscription_id: SubscriptionId(self.subscription_id),
            plan_id: PlanId(self.plan_id),
            amount: self.amount,
            currency: self.currency,
            interval: self.interval,
            order_name: self.order_name,
            current_period_end: self.current_period_end,
            anchor_day: self.anchor_day,
            renewal: id.zip(state),
            keys: self.keys.into_iter().map(key).collect(),
            looked_at: self.looked_at,
            key_was: self.key_state.as_deref().and_then(KeyFound::parse),
            noticed: self.noticed_amount.zip(self.noticed_currency),
        })
    }
}

/// What was found out about one subscription, as it is written.
#[derive(Serialize)]
pub struct LookedOut<'a> {
    pub subscription_id: &'a str,
    #[serde(serialize_with = "as_stamp")]
    pub period_start: DateTime<Utc>,
    #[serde(serialize_with = "as_stamp_opt")]
    pub looked_at: Option<DateTime<Utc>>,
    pub key_state: Option<KeyFound>,
    pub schedule_id: Option<&'a str>,
    #[serde(serialize_with = "as_stamp_opt")]
    pub noticed_at: Option<DateTime<Utc>>,
    pub noticed_amount: Option<i64>,
    pub noticed_currency: Option<&'a str>,
}

impl<'a> LookedOut<'a> {
    pub fn new(looked: &'a LookedAhead, now: DateTime<Utc>) -> Self {
        Self {
            subscription_id: looked.subscription_id.as_str(),
            period_start: looked.period_start,
            looked_at: looked.looked.as_ref().map(|_| now),
            key_state: looked.looked.as_ref().map(|(key, _)| *key),
            schedule_id: looked.looked.as_ref().and_then(|(_, schedule)| schedule.as_deref()),
            noticed_at: looked.noticed.as_ref().map(|_| now),
            noticed_amount: looked.noticed.as_ref().map(|(amount, _)| *amount),
            noticed_currency: looked.noticed.as_ref().map(|(_, currency)| currency.as_str()),
        }
    }
}

/// What is written of a key that the gateway does not know any more.
pub const KEY_GONE: &str = "the gateway does not know it any more";

/// The keys that are gone.
pub fn gone(looked: &[LookedAhead]) -> Vec<&str> {
    looked.iter().flat_map(|one| &one.gone).map(BillingKeyId::as_str).collect()
}

/// The events of those that were written.
pub fn told<'a>(looked: &'a [LookedAhead], written: &BTreeSet<SubscriptionId>) -> Vec<&'a NewEvent> {
    let told = looked.iter().filter(|one| written.contains(&one.subscription_id));
    told.flat_map(|one| &one.events).collect()
}
