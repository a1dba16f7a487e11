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
    /// Decided from this flag; a customer may have changed their mind meanwhile.
    pub cancel_at_period_end: bool,
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
    // A change of mind that came too late to be renewed is as good as none; what was given back is not charged again.
    let is_canceled = matches!(state, Some(State::Canceled | State::Refunded));
    let too_late = is_canceled && facts.current_period_end + policy.grace <= now;
    let ended = matches!(state, Some(State::Failed | State::Lapsed)) || too_late;
    if canceled_uncharged && (over || policy.downgrade_at_run) {
        Some(downgrade(facts, "canceled", now, new_id))
    } else if ended && over {
        let reason = match state {
            Some(State::Lapsed) => "lapsed",
            Some(State::Canceled | State::Refunded) => "canceled",
            _ => "unpaid",
        };
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
        cancel_at_period_end: facts.cancel_at_period_end,
        status: "downgraded",
        tier: Some(facts.fallback_tier.clone()),
        events: vec![event(facts, EventKind::SubscriptionDowngraded, payload, now, new_id)],
    }
}

fn past_due(facts: &AccessFacts, now: DateTime<Utc>, new_id: &dyn Fn() -> Uuid) -> AccessChange {
    AccessChange {
        subscription_id: facts.subscription_id.clone(),
        current_period_end: facts.current_period_end,
        cancel_at_period_end: facts.cancel_at_period_end,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{ids, now, period_end, policy};
    use chrono::TimeDelta;

    fn facts(state: Option<State>) -> AccessFacts {
        AccessFacts {
            subscription_id: "sub_1".into(),
            past_due: false,
            current_period_end: period_end(),
            cancel_at_period_end: false,
            fallback_tier: "free".to_owned(),
            renewal: state.map(|state| (RenewalId(Uuid::from_u128(1)), state)),
            decline_count: 0,
            waits_for_key: false,
        }
    }

    fn decided(facts: &AccessFacts, now: DateTime<Utc>) -> Option<(&'static str, Option<String>)> {
        decide(facts, &policy(), now, &ids()).map(|change| (change.status, change.tier))
    }

    fn downgraded() -> Option<(&'static str, Option<String>)> {
        Some(("downgraded", Some("free".to_owned())))
    }

    #[test]
    fn a_cancelled_one_keeps_what_was_paid_for_until_its_end() {
        let canceled = AccessFacts { cancel_at_period_end: true, ..facts(Some(State::Canceled)) };
        assert_eq!(decided(&canceled, now()), None);
        assert_eq!(decided(&canceled, period_end()), downgraded());
        let at_run = Policy { downgrade_at_run: true, ..policy() };
        assert!(decide(&canceled, &at_run, now(), &ids()).is_some());
    }

    #[test]
    fn nobody_is_cut_off_on_a_guess() {
        for state in [State::Charging, State::Unknown, State::Review, State::Paid] {
            let canceled = AccessFacts { cancel_at_period_end: true, ..facts(Some(state)) };
            assert_eq!(decided(&canceled, period_end() + TimeDelta::days(30)), None, "{state:?}");
        }
    }

    #[test]
    fn the_end_of_the_ladder_is_the_end_of_the_tier_but_not_before_the_periods_end() {
        for state in [State::Failed, State::Lapsed] {
            assert_eq!(decided(&facts(Some(state)), now()), None);
            assert_eq!(decided(&facts(Some(state)), period_end()), downgraded());
        }
    }

    #[test]
    fn what_was_given_back_is_not_charged_again_so_it_ends_with_the_grace() {
        for state in [State::Canceled, State::Refunded] {
            let resumed = facts(Some(state));
            assert_eq!(decided(&resumed, period_end()), None, "a change of mind may still be renewed");
            assert_eq!(decided(&resumed, period_end() + policy().grace), downgraded());
        }
    }

    #[test]
    fn past_due_is_who_was_declined_and_whose_period_ended() {
        let declined = AccessFacts { decline_count: 1, ..facts(Some(State::Due)) };
        assert_eq!(decided(&declined, now()), None);
        assert_eq!(decided(&declined, period_end()), Some(("past_due", None)));
        assert_eq!(decided(&AccessFacts { past_due: true, ..declined }, period_end()), None, "told once");
        let keyless = AccessFacts { waits_for_key: true, ..facts(Some(State::Due)) };
        assert_eq!(decided(&keyless, period_end()), Some(("past_due", None)));
        assert_eq!(decided(&facts(Some(State::Due)), period_end()), None, "it was our delay, not the customer's");
    }
}
