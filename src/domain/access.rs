//! What becomes of subscriptions whose period ended without the next one being paid.

use super::event::{EventKind, NewEvent};
use super::ids::{EventId, RenewalId, SubscriptionId};
use super::policy::Policy;
use super::renewal::State;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

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
    pub renewal: Option<(RenewalId, State)>,
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

/// The standing that a subscription's facts call for, or `None` where it has it already.
pub fn decide(
    facts: &AccessFacts,
    policy: &Policy,
    now: DateTime<Utc>,
    new_id: &dyn Fn() -> Uuid,
) -> Option<AccessChange> {
    let state = facts.renewal.map(|(_, state)| state);
    let over = facts.current_period_end <= now;
    let canceled_uncharged = facts.cancel_at_period_end && !state.is_some_and(may_still_be_paid);
    let ended = matches!(state, Some(State::Failed | State::Lapsed));
    if canceled_uncharged && (over || policy.downgrade_at_run) {
        Some(downgrade(facts, "canceled", now, new_id))
    } else if ended && over {
        let reason = if state == Some(State::Lapsed) { "lapsed" } else { "unpaid" };
        Some(downgrade(facts, reason, now, new_id))
    } else if over && !facts.past_due && is_collected(facts, state) {
        Some(past_due(facts, now, new_id))
    } else {
        None
    }
}

/// A charge is under way or its outcome is not known: nobody is cut off on a guess.
fn may_still_be_paid(state: State) -> bool {
    matches!(state, State::Charging | State::Unknown | State::Review | State::Paid)
}

fn is_collected(facts: &AccessFacts, state: Option<State>) -> bool {
    state.is_some_and(State::is_open) && (facts.decline_count > 0 || facts.waits_for_key)
}

fn downgrade(facts: &AccessFacts, reason: &str, now: DateTime<Utc>, new_id: &dyn Fn() -> Uuid) -> AccessChange {
    let payload = json!({ "reason": reason, "tier": facts.fallback_tier });
    AccessChange {
        subscription_id: facts.subscription_id.clone(),
        current_period_end: facts.current_period_end,
        status: "downgraded",
        tier: Some(facts.fallback_tier.clone()),
        events: vec![event(facts, EventKind::SubscriptionDowngraded, payload, now, new_id)],
    }
}

fn past_due(facts: &AccessFacts, now: DateTime<Utc>, new_id: &dyn Fn() -> Uuid) -> AccessChange {
    AccessChange {
        subscription_id: facts.subscription_id.clone(),
        current_period_end: facts.current_period_end,
        status: "past_due",
        tier: None,
        events: vec![event(facts, EventKind::SubscriptionPastDue, json!({}), now, new_id)],
    }
}

/// Told once per period: a subscription can be downgraded, paid late, and downgraded again a year later.
fn event(
    facts: &AccessFacts,
    kind: EventKind,
    payload: serde_json::Value,
    now: DateTime<Utc>,
    new_id: &dyn Fn() -> Uuid,
) -> NewEvent {
    let period = facts.current_period_end.to_rfc3339_opts(SecondsFormat::Micros, true);
    NewEvent {
        id: EventId(new_id()),
        kind,
        subscription_id: Some(facts.subscription_id.clone()),
        renewal_id: facts.renewal.map(|(id, _)| id),
        attempt_id: None,
        dedupe: format!("{}:{}:{period}", kind.as_str(), facts.subscription_id),
        payload,
        created_at: now,
    }
}
