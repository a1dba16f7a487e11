//! Whether a billing key may be charged now, seen from what else was tried with it.
//!
//! Customers with two subscriptions have one card. Its issuer wants to see one attempt a day after a no that is not the
//! network's, and a card that is gone is told by the first attempt, not by all of them: so one attempt at a time.

use super::attempt::AttemptState;
use super::claim::{KeyFacts, PastAttempt};
use super::date::Zone;
use super::decline::DeclineClass;
use super::look_ups;
use chrono::{DateTime, TimeDelta, Utc};

/// An attempt with the key for another renewal.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyTry {
    pub state: AttemptState,
    pub class: Option<DeclineClass>,
    /// It is on its way; an open attempt that is not has an unknown outcome.
    pub under_way: bool,
    pub started_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyTurn {
    Free,
    /// Another renewal is being charged to it: free when that is settled.
    Busy,
    /// It had its attempt of the day.
    Tomorrow,
}

/// Since when attempts matter: one can have an unknown outcome for a week, and be declined after it.
pub fn matters_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - look_ups::REVIEW_AFTER - TimeDelta::days(1)
}

/// Whether `key` may be charged now for the renewal that has these attempts: a key that comes first again, because the one
/// that came after it is gone, may have been asked today.
pub fn turn(key: &KeyFacts, own: &[PastAttempt], now: DateTime<Utc>, zone: Zone) -> KeyTurn {
    let today = zone.date_of(now);
    let is_todays = |at: DateTime<Utc>| zone.date_of(at) == today;
    // An attempt belongs to the day on which it was sent and to the day of its answer: the strict reading of a day.
    let was_today = |past: &&KeyTry| is_todays(past.started_at) || past.settled_at.is_some_and(is_todays);
    // One that was refused for good and can be charged all the same was issued again since: another card.
    let said_no = |past: &PastAttempt| {
        let is_its = past.billing_key_id == key.id && past.class != Some(DeclineClass::Hard);
        is_its && is_no(past.state, past.class) && past.settled_at.is_some_and(is_todays)
    };
    if key.tries.iter().filter(was_today).any(counts) || own.iter().any(said_no) {
        KeyTurn::Tomorrow
    } else if key.is_held || key.tries.iter().any(|past| past.state == AttemptState::Open && past.under_way) {
        KeyTurn::Busy
    } else {
        KeyTurn::Free
    }
}

/// It was the key's attempt of its day, or may turn out to have been.
fn counts(past: &KeyTry) -> bool {
    is_no(past.state, past.class) || (past.state == AttemptState::Open && !past.under_way)
}

/// The card's own no, and not the network's or our contract's.
fn is_no(state: AttemptState, class: Option<DeclineClass>) -> bool {
    state == AttemptState::Declined && !matches!(class, Some(DeclineClass::Transient | DeclineClass::Config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{claim_facts, now, policy};

    fn turn_after(tries: Vec<KeyTry>) -> KeyTurn {
        let key = KeyFacts { tries, ..claim_facts().keys[0].clone() };
        turn(&key, &[], now(), policy().zone)
    }

    fn declined(class: DeclineClass, hours_ago: i64) -> KeyTry {
        let at = now() - TimeDelta::hours(hours_ago);
        KeyTry {
            state: AttemptState::Declined,
            class: Some(class),
            under_way: false,
            started_at: at,
            settled_at: Some(at),
        }
    }

    fn open(under_way: bool, hours_ago: i64) -> KeyTry {
        KeyTry {
            state: AttemptState::Open,
            class: None,
            under_way,
            settled_at: None,
            ..declined(DeclineClass::Soft, hours_ago)
        }
    }

    #[test]
    fn a_card_that_said_no_today_is_asked_again_tomorrow_whichever_renewal_asked() {
        for class in [DeclineClass::Soft, DeclineClass::Unknown, DeclineClass::Hard] {
            assert_eq!(turn_after(vec![declined(class, 1)]), KeyTurn::Tomorrow, "{class:?}");
            // Ten in the morning: eleven hours ago was yesterday.
            assert_eq!(turn_after(vec![declined(class, 11)]), KeyTurn::Free, "{class:?}");
        }
        assert_eq!(turn_after(vec![declined(DeclineClass::Transient, 1)]), KeyTurn::Free, "the network said no");
    }

    #[test]
    fn an_answer_of_today_to_an_attempt_of_yesterday_counts_today() {
        let late = KeyTry { started_at: now() - TimeDelta::hours(30), ..declined(DeclineClass::Soft, 1) };
        assert_eq!(turn_after(vec![late]), KeyTurn::Tomorrow);
    }

    #[test]
    fn money_that_was_taken_leaves_the_card_free() {
        let paid = KeyTry { state: AttemptState::Paid, class: None, ..declined(DeclineClass::Soft, 1) };
        assert_eq!(turn_after(vec![paid]), KeyTurn::Free);
    }

    #[test]
    fn one_attempt_at_a_time_and_an_unknown_outcome_may_be_a_no() {
        assert_eq!(turn_after(vec![open(true, 0)]), KeyTurn::Busy);
        assert_eq!(turn_after(vec![open(true, 30)]), KeyTurn::Busy, "left by a worker that died");
        assert_eq!(turn_after(vec![open(false, 1)]), KeyTurn::Tomorrow);
        assert_eq!(turn_after(vec![open(false, 30)]), KeyTurn::Free, "it does not hold up the others for a week");
        let held = KeyFacts { is_held: true, ..claim_facts().keys[0].clone() };
        assert_eq!(turn(&held, &[], now(), policy().zone), KeyTurn::Busy);
    }
}
