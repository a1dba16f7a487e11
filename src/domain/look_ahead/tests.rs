//! What is looked at and told before a renewal's day, and what is not.

use super::*;
use crate::domain::fixtures::{ids, key, now, period_end, policy, utc};

fn facts() -> LookAheadFacts {
    LookAheadFacts {
        subscription_id: "sub_1".into(),
        plan_id: "pro".into(),
        amount: 55_000,
        currency: "KRW".to_owned(),
        interval: "P1M".to_owned(),
        order_name: "Pro".to_owned(),
        current_period_end: period_end(),
        anchor_day: 31,
        renewal: None,
        keys: vec![StoredKey { id: "bk_1".into(), key: key(), channel_key: None }],
        looked_at: None,
        key_was: None,
        noticed: None,
    }
}

fn with<T>(now: DateTime<Utc>, look: impl FnOnce(&Looking<'_>) -> T) -> T {
    let (policy, new_id) = (policy(), ids());
    look(&Looking { policy: &policy, business_date: policy.zone.date_of(now), now, new_id: &new_id })
}

fn noticed(facts: &LookAheadFacts, now: DateTime<Utc>) -> Option<LookedAhead> {
    with(now, |at| notice(facts, 7, at))
}

fn asked(facts: &LookAheadFacts, now: DateTime<Utc>) -> bool {
    with(now, |at| is_asked(facts, 3, at))
}

fn planned(state: State) -> LookAheadFacts {
    LookAheadFacts { renewal: Some((RenewalId(Uuid::from_u128(1)), state)), ..facts() }
}

fn found(key: KeyFound) -> Found {
    Found { key, gone: Vec::new(), schedule_id: None }
}

#[test]
fn a_renewal_is_announced_a_week_ahead_and_once() {
    // The period ends at midnight before 31 January, in Seoul: a week before that is the 24th.
    let day = |day| utc(&format!("2026-01-{day}T00:00:00Z"));
    assert!(noticed(&facts(), day(23)).is_none());
    let first = noticed(&facts(), day(24)).unwrap();
    assert_eq!(first.events[0].kind, EventKind::RenewalUpcoming);
    assert_eq!(first.events[0].payload["charged_from"], "2026-01-30");
    assert_eq!(first.noticed, Some((55_000, "KRW".to_owned())));
    let told = LookAheadFacts { noticed: first.noticed, ..facts() };
    assert!(noticed(&told, day(25)).is_none());
    assert!(with(now(), |at| notice(&facts(), 0, at)).is_none(), "off");
}

#[test]
fn a_price_that_rises_is_announced_again_and_one_that_falls_is_not() {
    let told = |amount, currency: &str| LookAheadFacts { noticed: Some((amount, currency.to_owned())), ..facts() };
    let again = noticed(&told(50_000, "KRW"), now()).unwrap();
    assert_eq!(
        (&again.events[0].payload["amount"], &again.events[0].payload["told_amount"]),
        (&json!(55_000), &json!(50_000))
    );
    assert!(noticed(&told(60_000, "KRW"), now()).is_none());
    assert!(noticed(&told(60_000, "USD"), now()).is_some(), "another currency is another price");
    let first = noticed(&facts(), now()).unwrap();
    assert_ne!(
        again.events[0].dedupe,
        with(now(), |at| notice(&LookAheadFacts { amount: 1, ..facts() }, 7, at)).unwrap().events[0].dedupe
    );
    assert_eq!(again.events[0].dedupe, first.events[0].dedupe, "the same price is told once, whatever was between");
}

#[test]
fn what_is_planned_or_cannot_be_read_is_not_announced() {
    for state in State::ALL {
        assert!(noticed(&planned(state), now()).is_none(), "{state:?}");
    }
    assert!(noticed(&LookAheadFacts { amount: 0, ..facts() }, now()).is_none());
    assert!(noticed(&LookAheadFacts { currency: "WON".to_owned(), ..facts() }, now()).is_none());
}

#[test]
fn the_gateway_is_asked_once_a_day_from_three_days_ahead() {
    assert!(!asked(&facts(), utc("2026-01-27T14:59:59Z")), "the 27th in Seoul");
    assert!(asked(&facts(), utc("2026-01-27T15:00:00Z")));
    let today = LookAheadFacts { looked_at: Some(now() - TimeDelta::hours(1)), ..facts() };
    assert!(!asked(&today, now()));
    assert!(asked(&LookAheadFacts { looked_at: Some(now() - TimeDelta::hours(12)), ..facts() }, now()));
    for state in State::ALL {
        assert_eq!(asked(&planned(state), now()), state == State::Due, "{state:?}");
    }
    assert!(!with(now(), |at| is_asked(&facts(), 0, at)), "off");
}

#[test]
fn a_key_that_is_gone_is_told_once_and_its_row_is_marked() {
    let gone = Found { gone: vec!["bk_1".into()], ..found(KeyFound::Gone) };
    let first = with(now(), |at| looked(&facts(), &gone, at));
    assert_eq!(first.events[0].kind, EventKind::BillingKeyMissing);
    assert_eq!((first.gone, first.looked), (gone.gone.clone(), Some((KeyFound::Gone, None))));
    let again = LookAheadFacts { key_was: Some(KeyFound::Gone), ..facts() };
    assert!(with(now(), |at| looked(&again, &gone, at)).events.is_empty());
    let returned = LookAheadFacts { key_was: Some(KeyFound::Issued), ..facts() };
    assert_eq!(with(now(), |at| looked(&returned, &gone, at)).events.len(), 1);
    assert!(with(now(), |at| looked(&facts(), &found(KeyFound::Issued), at)).events.is_empty());
}

#[test]
fn who_has_no_key_is_told_early_unless_the_plan_said_so() {
    let none = found(KeyFound::None);
    assert_eq!(with(now(), |at| looked(&facts(), &none, at)).events.len(), 1);
    assert!(with(now(), |at| looked(&planned(State::Due), &none, at)).events.is_empty());
}

#[test]
fn a_schedule_sends_a_planned_renewal_to_a_person_and_no_other() {
    let scheduled = Found { schedule_id: Some("s-1".to_owned()), ..found(KeyFound::Issued) };
    let held = |facts: &LookAheadFacts, found: &Found| with(now(), |at| held_by_schedule(facts, found, at)).unwrap();
    let change = held(&planned(State::Due), &scheduled).unwrap();
    assert_eq!((change.from, change.to, change.next_attempt_at), (State::Due, State::Review, None));
    assert_eq!(change.events[0].kind, EventKind::RenewalReview);
    assert!(change.review_reason.unwrap().contains("s-1"));
    assert!(held(&planned(State::Paid), &scheduled).is_none() && held(&facts(), &scheduled).is_none());
    assert!(held(&planned(State::Due), &found(KeyFound::Issued)).is_none());
}

#[test]
fn schedules_matter_until_the_next_period_is_over() {
    assert_eq!(schedules_until(&facts(), &policy()), utc("2026-02-27T15:00:00Z"));
    let unread = LookAheadFacts { interval: "monthly".to_owned(), ..facts() };
    assert_eq!(schedules_until(&unread, &policy()), period_end() + TimeDelta::days(366));
}
