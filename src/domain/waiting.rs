//! What becomes of renewals that wait while the world around them changes: a cancellation, a change of mind, a new
//! billing key, the end of the grace.

use super::claim::{Lateness, RenewalChange};
use super::date::first_allowed;
use super::event::{EventKind, NewEvent};
use super::ids::{EventId, RenewalId, SubscriptionId};
use super::policy::Policy;
use super::renewal::{Event, Illegal, State, transition};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

/// A renewal that waits, with what may have changed around it.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingFacts {
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    /// `due` or `canceled`.
    pub state: State,
    pub waits_for_key: bool,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub access_until: DateTime<Utc>,
    pub cancel_at_period_end: bool,
    pub has_usable_key: bool,
    /// The key that would be charged was never tried: the customer gave it since the last decline.
    pub has_new_key: bool,
    /// The subscription is `active` or `past_due` and still at this renewal's period start.
    pub period_is_next: bool,
    /// Nothing of it ever reached the gateway.
    pub never_tried: bool,
    /// A card was declined for it.
    pub was_declined: bool,
    /// Amount, currency and period could be read when it was planned.
    pub is_complete: bool,
    pub period_start: DateTime<Utc>,
    /// A person's command to charge it stands.
    pub commanded: bool,
}

/// Where the next attempt comes after the access, access lasts so long beyond it: until its answer is settled.
const ANSWERED: TimeDelta = TimeDelta::days(1);

/// The change that is called for, or `None` to go on waiting.
///
/// # Errors
/// [`Illegal`] if the facts are of a renewal that does not wait.
pub fn decide(
    facts: &WaitingFacts,
    policy: &Policy,
    now: DateTime<Utc>,
    new_id: &dyn Fn() -> Uuid,
) -> Result<Option<RenewalChange>, Illegal> {
    let Some(event) = what_happened(facts, policy, now) else { return Ok(None) };
    change(facts, event, policy, now, new_id).map(Some)
}

fn what_happened(facts: &WaitingFacts, policy: &Policy, now: DateTime<Utc>) -> Option<Event> {
    match facts.state {
        State::Due if facts.cancel_at_period_end => Some(Event::CancelSeen),
        State::Due if facts.waits_for_key && facts.has_usable_key && facts.period_is_next => Some(Event::KeyArrived),
        State::Due if is_due_for_new_key(facts, policy, now) => Some(Event::KeyArrived),
        State::Due if facts.commanded => None,
        State::Due if facts.never_tried && !facts.waits_for_key && is_late(facts, policy, now) => Some(Event::TooLate),
        State::Due if facts.access_until <= now && (facts.was_declined || facts.waits_for_key) => {
            Some(Event::GraceOver)
        }
        // Only our own contract or configuration was ever refused: no card failed, so the renewal does not either.
        State::Due if facts.access_until <= now => Some(Event::NeedsPerson),
        State::Canceled if !facts.cancel_at_period_end && facts.period_is_next && now < facts.access_until => {
            Some(if facts.is_complete { Event::Resumed } else { Event::NeedsPerson })
        }
        _ => None,
    }
}

fn is_late(facts: &WaitingFacts, policy: &Policy, now: DateTime<Utc>) -> bool {
    let (due_since, access_until) = (facts.next_attempt_at, facts.access_until);
    Lateness { period_start: facts.period_start, due_since, access_until }.is_too_late(policy, now)
}

/// A new card does not wait for the ladder of the old one. What the ladder planned sooner is sooner.
fn is_due_for_new_key(facts: &WaitingFacts, policy: &Policy, now: DateTime<Utc>) -> bool {
    let is_sooner = |at: DateTime<Utc>| facts.next_attempt_at.is_none_or(|planned| at < planned);
    facts.has_new_key && facts.was_declined && facts.period_is_next && allowed(now, policy).is_some_and(is_sooner)
}

fn change(
    facts: &WaitingFacts,
    event: Event,
    policy: &Policy,
    now: DateTime<Utc>,
    new_id: &dyn Fn() -> Uuid,
) -> Result<RenewalChange, Illegal> {
    let (to, effects) = transition(facts.state, event)?;
    let next_attempt_at = match event {
        // A change of mind goes on where the ladder was.
        Event::CancelSeen => facts.next_attempt_at,
        Event::Resumed => allowed(facts.next_attempt_at.map_or(now, |next| next.max(now)), policy),
        _ if to == State::Due => allowed(now, policy),
        _ => None,
    };
    let review_reason = (event == Event::NeedsPerson).then(|| {
        if facts.is_complete {
            "its grace is over, and no card was declined: only our contract or settings were refused".to_owned()
        } else {
            "its plan could not be read when it was planned: mend the plan, then retry".to_owned()
        }
    });
    let tell = |kind: &EventKind| {
        NewEvent::of_renewal(
            EventId(new_id()),
            *kind,
            (&facts.subscription_id, facts.renewal_id, None),
            json!({ "access_until": to.access_until(facts.period_start, facts.access_until) }),
            now,
        )
        .each_time()
    };
    Ok(RenewalChange {
        renewal_id: facts.renewal_id,
        from: facts.state,
        to,
        next_attempt_at,
        // What was declined is looked at once more before it fails, as when it was settled.
        next_look_up_at: late_look_up(to, now)
            .or((to == State::Due && facts.was_declined).then_some(facts.access_until)),
        waits_for_key: false,
        waited_for_key: facts.waits_for_key,
        access_until: next_attempt_at
            .filter(|next| to == State::Due && *next >= facts.access_until)
            .map(|next| next + ANSWERED),
        review_reason,
        events: effects.tells.iter().map(tell).collect(),
    })
}

fn allowed(at: DateTime<Utc>, policy: &Policy) -> Option<DateTime<Utc>> {
    first_allowed(at, policy.zone, &policy.window, &policy.quiet)
}

/// A renewal that ended without money, or waits for a person, is looked up once more later: money can turn up late.
pub fn late_look_up(state: State, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    matches!(state, State::Failed | State::Canceled | State::Review).then(|| now + super::look_ups::LATE[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{ids, now, period_end, policy, utc};

    fn waits() -> WaitingFacts {
        WaitingFacts {
            renewal_id: RenewalId(Uuid::from_u128(1)),
            subscription_id: "sub_1".into(),
            state: State::Due,
            waits_for_key: false,
            next_attempt_at: Some(now() + TimeDelta::days(1)),
            access_until: period_end() + TimeDelta::days(7),
            cancel_at_period_end: false,
            has_usable_key: true,
            has_new_key: false,
            period_is_next: true,
            never_tried: false,
            was_declined: true,
            is_complete: true,
            period_start: period_end(),
            commanded: false,
        }
    }

    fn decided(facts: &WaitingFacts, now: DateTime<Utc>) -> Option<(State, Option<DateTime<Utc>>)> {
        decide(facts, &policy(), now, &ids()).unwrap().map(|change| (change.to, change.next_attempt_at))
    }

    #[test]
    fn who_waits_for_a_retry_goes_on_waiting() {
        assert_eq!(decided(&waits(), now()), None);
        assert_eq!(decided(&WaitingFacts { waits_for_key: true, has_usable_key: false, ..waits() }, now()), None);
    }

    #[test]
    fn cancelling_ends_every_waiting_retry() {
        let canceled = WaitingFacts { cancel_at_period_end: true, waits_for_key: true, ..waits() };
        assert_eq!(decided(&canceled, now()), Some((State::Canceled, waits().next_attempt_at)));
    }

    #[test]
    fn a_new_key_makes_it_due_at_once_but_not_at_night() {
        let waiting = WaitingFacts { waits_for_key: true, ..waits() };
        assert_eq!(decided(&waiting, now()), Some((State::Due, Some(now()))));
        let night = utc("2026-01-30T14:30:00Z");
        assert_eq!(decided(&waiting, night), Some((State::Due, Some(utc("2026-01-31T00:00:00Z")))));
    }

    #[test]
    fn a_new_card_does_not_wait_for_the_ladder_of_the_old_one() {
        let new_card = WaitingFacts { has_new_key: true, ..waits() };
        assert_eq!(decided(&new_card, now()), Some((State::Due, Some(now()))));
        assert_eq!(
            decided(&WaitingFacts { was_declined: false, ..new_card.clone() }, now()),
            None,
            "charged too early"
        );
        let night = utc("2026-01-30T14:30:00Z");
        let sooner = WaitingFacts { next_attempt_at: Some(utc("2026-01-31T00:00:00Z")), ..new_card.clone() };
        assert_eq!(decided(&sooner, night), None, "it is planned for the morning already");
        assert_eq!(decided(&WaitingFacts { period_is_next: false, ..new_card }, now()), None);
    }

    #[test]
    fn nobody_is_cut_off_between_a_new_card_and_its_first_attempt() {
        let last_evening = utc("2026-02-06T14:30:00Z");
        let waiting = WaitingFacts { waits_for_key: true, ..waits() };
        let change = decide(&waiting, &policy(), last_evening, &ids()).unwrap().unwrap();
        let morning = utc("2026-02-07T00:00:00Z");
        assert_eq!(change.next_attempt_at, Some(morning));
        assert!(waiting.access_until < morning && change.access_until > Some(morning));
        let earlier = decide(&waiting, &policy(), now(), &ids()).unwrap().unwrap();
        assert_eq!(earlier.access_until, None, "access lasts long enough");
    }

    #[test]
    fn a_declined_payment_keeps_its_last_look_when_a_key_arrives() {
        let look_up = |facts: WaitingFacts| decide(&facts, &policy(), now(), &ids()).unwrap().unwrap().next_look_up_at;
        let waiting = WaitingFacts { waits_for_key: true, ..waits() };
        assert_eq!(look_up(waiting.clone()), Some(waits().access_until));
        assert_eq!(look_up(WaitingFacts { was_declined: false, ..waiting }), None, "nothing that could turn up");
    }

    #[test]
    fn the_end_of_the_grace_is_the_end() {
        let over = waits().access_until;
        assert_eq!(decided(&waits(), over - TimeDelta::seconds(1)), None);
        assert_eq!(decided(&waits(), over), Some((State::Failed, None)));
    }

    #[test]
    fn what_was_never_tried_lapses_and_what_only_we_broke_goes_to_a_person() {
        let due_since = Some(now());
        let never = WaitingFacts { never_tried: true, was_declined: false, next_attempt_at: due_since, ..waits() };
        let late = period_end() + TimeDelta::days(3) + TimeDelta::seconds(1);
        assert_eq!(decided(&never, late), Some((State::Lapsed, None)));
        let has_a_key_since = WaitingFacts { next_attempt_at: Some(late - TimeDelta::days(1)), ..never };
        assert_eq!(decided(&has_a_key_since, late), None, "it came due late, and access lasts");
        let ours = WaitingFacts { was_declined: false, ..waits() };
        assert_eq!(decided(&ours, waits().access_until), Some((State::Review, None)));
        let unread = WaitingFacts { state: State::Canceled, is_complete: false, ..waits() };
        assert_eq!(decided(&unread, now()), Some((State::Review, None)), "it has no amount to charge");
    }

    #[test]
    fn a_persons_command_outlives_the_grace_and_the_lateness_but_no_cancellation() {
        let commanded = WaitingFacts { commanded: true, ..waits() };
        assert_eq!(decided(&commanded, waits().access_until), None);
        let lapsed = WaitingFacts { never_tried: true, was_declined: false, ..commanded.clone() };
        assert_eq!(decided(&lapsed, period_end() + TimeDelta::days(30)), None);
        let canceled = WaitingFacts { cancel_at_period_end: true, ..commanded };
        assert_eq!(decided(&canceled, now()), Some((State::Canceled, waits().next_attempt_at)));
    }

    #[test]
    fn a_change_of_mind_goes_on_where_the_ladder_was() {
        let resumed = WaitingFacts { state: State::Canceled, ..waits() };
        assert_eq!(decided(&resumed, now()), Some((State::Due, waits().next_attempt_at)));
    }

    #[test]
    fn a_change_of_mind_counts_while_the_period_is_still_the_next_one() {
        let resumed = WaitingFacts { state: State::Canceled, next_attempt_at: None, ..waits() };
        assert_eq!(decided(&resumed, now()), Some((State::Due, Some(now()))));
        assert_eq!(decided(&WaitingFacts { period_is_next: false, ..resumed.clone() }, now()), None);
        assert_eq!(decided(&WaitingFacts { cancel_at_period_end: true, ..resumed }, now()), None);
    }
}
