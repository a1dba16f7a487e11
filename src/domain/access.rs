//! What becomes of subscriptions whose period ended without the next one being paid.

use super::event::NewEvent;
use super::ids::SubscriptionId;
use super::renewal::State;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A subscription that ended or is about to, with its renewal.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessFacts {
    pub subscription_id: SubscriptionId,
    /// `active` or `past_due`.
    pub past_due: bool,
    pub current_period_end: DateTime<Utc>,
    pub cancel_at_period_end: bool,
    pub fallback_tier: String,
    /// The renewal whose period starts at `current_period_end`, if there is one.
    pub renewal: Option<(super::ids::RenewalId, State)>,
    pub decline_count: u32,
    pub waits_for_key: bool,
}

/// The new standing of a subscription.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessChange {
    pub subscription_id: SubscriptionId,
    /// Decided from this end of the period; if it moved meanwhile, nothing is changed.
    pub current_period_end: DateTime<Utc>,
    /// `past_due` or `downgraded`.
    pub status: &'static str,
    /// The tier after a downgrade.
    pub tier: Option<String>,
    pub events: Vec<NewEvent>,
}
