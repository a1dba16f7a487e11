//! What an import writes: the rows that the API service owns.

use crate::domain::charge::BillingKey;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeSet;

/// Rows of an import, validated, in the order in which they refer to each other.
#[derive(Clone, Debug, Default)]
pub struct ImportBatch {
    pub plans: Vec<PlanRow>,
    pub customers: Vec<CustomerRow>,
    pub billing_keys: Vec<BillingKeyRow>,
    pub subscriptions: Vec<SubscriptionRow>,
}

/// Ids that an import refers to or finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRefs {
    pub plans: BTreeSet<String>,
    pub customers: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanRow {
    pub id: String,
    pub name: String,
    /// Minor units.
    pub amount: i64,
    pub currency: String,
    /// ISO 8601: `P1M`.
    pub interval: String,
    pub tier: String,
    pub fallback_tier: String,
    pub order_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomerRow {
    pub id: String,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

/// A billing key on its way into the database: the one place where it is serialized.
#[derive(Clone, Debug, PartialEq)]
pub struct BillingKeyRow {
    /// Derived from the key for imported rows: the same key is the same row.
    pub id: String,
    pub customer_id: String,
    pub billing_key: BillingKey,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionRow {
    pub id: String,
    pub customer_id: String,
    pub plan_id: String,
    pub next_plan_id: Option<String>,
    pub current_period_start: DateTime<Utc>,
    pub current_period_end: DateTime<Utc>,
    pub anchor_day: i64,
    pub cancel_at_period_end: bool,
}
