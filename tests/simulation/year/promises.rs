//! The promises of the ladder, stated from the tables alone. It imports nothing of what decides them.

use super::super::auditor::Violation;
use super::super::time::{DAY, HOUR};
use renewd::domain::attempt::AttemptState;
use renewd::domain::decline::DeclineClass;
use renewd::domain::event::EventKind;
use renewd::domain::renewal::State;
use renewd::store::memory::MemoryStore;
use renewd::store::memory::rows::{Attempt, Event, Renewal};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Seoul is nine hours ahead, all year.
const SEOUL: i64 = 9 * HOUR;

/// What is remembered between two looks.
#[derive(Default)]
pub struct Promises {
    /// Until when each open renewal's customer was told that access lasts.
    access: BTreeMap<String, i64>,
}

impl Promises {
    /// What must hold after every run.
    pub fn after_a_run(&mut self, store: &MemoryStore, now: i64) -> Vec<Violation> {
        let mut found = Vec::new();
        let standing: BTreeMap<String, (i64, String)> = store
            .subscription_access()
            .into_iter()
            .map(|row| (row.subscription_id, (row.access_until.timestamp_micros(), row.status)))
            .collect();
        for renewal in store.renewals() {
            let Some(next) = planned_retry(&renewal) else { continue };
            let Some((until, status)) = standing.get(renewal.subscription_id.as_str()) else { continue };
            if *until <= next || status == "downgraded" {
                let what = format!("{}: retry at {next}, access until {until}, {status}", renewal.payment_id);
                found.push(broken("access lasts until the last retry", what));
            }
            let id = renewal.id.to_string();
            if self.access.get(&id).is_some_and(|before| until < before) {
                found.push(broken("access is not taken back", format!("{}: at {now}", renewal.payment_id)));
            }
            self.access.insert(id, *until);
        }
        found
    }

    /// What must hold of everything that ever happened.
    pub fn of_history(&self, store: &MemoryStore) -> Vec<Violation> {
        let attempts: Vec<Arc<Attempt>> =
            store.attempts().into_iter().filter(|attempt| attempt.state != AttemptState::NotCharged).collect();
        let mut found = Vec::new();
        of_each_renewal(&attempts, &mut found);
        of_each_card(&attempts, &mut found);
        at_daytime(&attempts, &mut found);
        one_message_each(store, &attempts, &mut found);
        found
    }
}

/// When a renewal that was declined before is tried again.
fn planned_retry(renewal: &Renewal) -> Option<i64> {
    let is_retry = renewal.state == State::Due && renewal.decline_count > 0;
    renewal.next_attempt_at.filter(|_| is_retry).map(|next| next.timestamp_micros())
}

fn of_each_renewal(attempts: &[Arc<Attempt>], found: &mut Vec<Violation>) {
    let mut by_renewal: BTreeMap<_, Vec<&Attempt>> = BTreeMap::new();
    attempts.iter().for_each(|attempt| by_renewal.entry(attempt.renewal_id).or_default().push(attempt));
    for (renewal, attempts) in by_renewal {
        let mut at: Vec<i64> = attempts.iter().map(|attempt| started(attempt)).collect();
        at.sort_unstable();
        if at.windows(16).any(|window| window[15] - window[0] < 30 * DAY) {
            found.push(broken("at most 15 attempts in 30 days", renewal.to_string()));
        }
        let mut a_day: BTreeMap<i64, usize> = BTreeMap::new();
        at.iter().for_each(|at| *a_day.entry(day(*at)).or_default() += 1);
        // The first of a day, and three more after faults; and a new card is tried at once.
        let cards: BTreeMap<_, ()> = attempts.iter().map(|attempt| (&attempt.billing_key_id, ())).collect();
        if let Some((day, count)) = a_day.iter().find(|(_, count)| **count > 3 + cards.len()) {
            found.push(broken("three retries a day", format!("{renewal}: {count} on day {day}")));
        }
    }
}

fn of_each_card(attempts: &[Arc<Attempt>], found: &mut Vec<Violation>) {
    let mut by_card: BTreeMap<_, Vec<&Attempt>> = BTreeMap::new();
    attempts.iter().for_each(|attempt| by_card.entry(&attempt.billing_key_id).or_default().push(attempt));
    for (card, attempts) in by_card {
        let settled = |attempt: &&&Attempt| attempt.decline_class == Some(DeclineClass::Hard);
        if let Some(hard) = attempts.iter().filter(settled).filter_map(|attempt| attempt.settled_at).min()
            && let Some(later) = attempts.iter().find(|attempt| attempt.started_at > hard)
        {
            found.push(broken("no attempt after a hard decline", format!("{card}: {}", later.idempotency_key)));
        }
        let is_no = |attempt: &&&Attempt| {
            attempt.state == AttemptState::Declined
                && matches!(attempt.decline_class, Some(DeclineClass::Soft | DeclineClass::Unknown))
        };
        let mut a_day: BTreeMap<i64, usize> = BTreeMap::new();
        attempts.iter().filter(is_no).for_each(|attempt| *a_day.entry(day(started(attempt))).or_default() += 1);
        if let Some((day, count)) = a_day.iter().find(|(_, count)| **count > 1) {
            found.push(broken("one no of a card a day", format!("{card}: {count} on day {day}")));
        }
        let mut spans: Vec<(i64, i64)> = attempts
            .iter()
            .filter_map(|attempt| Some((started(attempt), attempt.settled_at?.timestamp_micros())))
            .collect();
        spans.sort_unstable();
        // An outcome that is not known for long holds up nobody: only what was settled within its run counts.
        let spans: Vec<(i64, i64)> = spans.into_iter().filter(|(from, to)| to - from < HOUR / 60).collect();
        if spans.windows(2).any(|pair| pair[1].0 < pair[0].1) {
            found.push(broken("one attempt at a time on a card", card.to_string()));
        }
    }
}

/// Attempts are made in the charging window: nine to nine, in Seoul.
fn at_daytime(attempts: &[Arc<Attempt>], found: &mut Vec<Violation>) {
    let is_night = |at: i64| !(9 * HOUR..21 * HOUR).contains(&(at + SEOUL).rem_euclid(DAY));
    if let Some(attempt) = attempts.iter().find(|attempt| is_night(started(attempt))) {
        found.push(broken("nothing at night", attempt.idempotency_key.clone()));
    }
}

/// Each outcome is told once, in one message; and nothing is told that did not happen.
fn one_message_each(store: &MemoryStore, attempts: &[Arc<Attempt>], found: &mut Vec<Violation>) {
    let events = store.events();
    let mut of_attempt: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
    let mut of_renewal: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
    for event in &events {
        event.attempt_id.into_iter().for_each(|id| of_attempt.entry(id).or_default().push(event));
        event.renewal_id.into_iter().for_each(|id| of_renewal.entry(id).or_default().push(event));
    }
    let count = |events: Option<&Vec<&Event>>, kind: EventKind| {
        events.map_or(0, |events| events.iter().filter(|event| event.kind == kind).count())
    };
    for attempt in attempts {
        let told = of_attempt.get(&attempt.id);
        let outcomes =
            [EventKind::RenewalDeclined, EventKind::RenewalPaid, EventKind::RenewalCanceled, EventKind::RenewalReview];
        let messages: usize = outcomes.into_iter().map(|kind| count(told, kind)).sum();
        let expected = match attempt.state {
            AttemptState::Declined | AttemptState::Paid => 1..=1,
            AttemptState::Refused => 0..=1,
            _ => 0..=0,
        };
        if !expected.contains(&messages) {
            let what = format!("{} is {:?}: {messages} messages", attempt.idempotency_key, attempt.state);
            found.push(broken("one message per outcome", what));
        }
    }
    for renewal in store.renewals() {
        let told = of_renewal.get(&renewal.id);
        let expected = [
            (EventKind::RenewalPaid, renewal.state == State::Paid),
            (EventKind::RenewalFailed, renewal.state == State::Failed),
            (EventKind::RenewalLapsed, renewal.state == State::Lapsed),
        ];
        for (kind, is_so) in expected {
            if is_so != (count(told, kind) == 1) && (is_so || count(told, kind) > 1) {
                let what = format!("{}: {} of {}", renewal.payment_id, count(told, kind), kind.as_str());
                found.push(broken("one message per outcome", what));
            }
        }
    }
    announced_once(&events, found);
}

/// A renewal is announced once for each price, and nothing is announced about the past.
fn announced_once(events: &[Arc<Event>], found: &mut Vec<Violation>) {
    let mut told: BTreeMap<(String, String, i64), usize> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == EventKind::RenewalUpcoming) {
        let subscription = event.subscription_id.as_ref().map(ToString::to_string).unwrap_or_default();
        let period = event.payload["period_start"].as_str().unwrap_or_default().to_owned();
        *told.entry((subscription, period, event.payload["amount"].as_i64().unwrap_or(0))).or_default() += 1;
    }
    if let Some((what, count)) = told.iter().find(|(_, count)| **count > 1) {
        found.push(broken("announced once", format!("{what:?}: {count} times")));
    }
}

fn started(attempt: &Attempt) -> i64 {
    attempt.started_at.timestamp_micros()
}

/// The date in Seoul, as a number.
fn day(at: i64) -> i64 {
    (at + SEOUL).div_euclid(DAY)
}

fn broken(promise: &'static str, what: String) -> Violation {
    Violation { promise, what }
}

/// Each promise, broken by hand: a judge that sees nothing proves nothing.
pub fn see_what_is_broken() {
    use chrono::{DateTime, TimeDelta, Utc};
    use renewd::domain::ids::{AttemptId, RenewalId, RunId};
    use uuid::Uuid;
    let noon: DateTime<Utc> = "2026-03-02T12:00:00+09:00".parse().unwrap();
    let attempt = |number: u32, renewal: u128, class: Option<DeclineClass>, at: DateTime<Utc>| {
        Arc::new(Attempt {
            id: AttemptId(Uuid::from_u128(u128::from(number))),
            renewal_id: RenewalId(Uuid::from_u128(renewal)),
            run_id: RunId(Uuid::nil()),
            number,
            payment_id: "p".into(),
            series: 0,
            idempotency_key: format!("p-{number}"),
            billing_key_id: "card".into(),
            channel_key: None,
            pg_provider: None,
            request_body: String::new(),
            request_hash: String::new(),
            protocol_version: 1,
            state: AttemptState::Declined,
            started_at: at,
            settled_at: Some(at + TimeDelta::seconds(1)),
            settled_epoch: Some(1),
            transaction_id: None,
            pg_code: None,
            pg_message: None,
            decline_class: class,
            decline_reason: None,
            decline_matched_by: None,
            note: None,
        })
    };
    let seen = |attempts: &[Arc<Attempt>]| {
        let mut found = Vec::new();
        of_each_renewal(attempts, &mut found);
        of_each_card(attempts, &mut found);
        at_daytime(attempts, &mut found);
        found.into_iter().map(|violation| violation.promise).collect::<Vec<_>>()
    };
    let hours = |hours| noon + TimeDelta::hours(hours);
    let (hard, soft, fault) = (Some(DeclineClass::Hard), Some(DeclineClass::Soft), Some(DeclineClass::Transient));
    assert!(seen(&[attempt(1, 1, soft, noon), attempt(2, 1, soft, hours(24))]).is_empty());
    assert_eq!(seen(&[attempt(1, 1, hard, noon), attempt(2, 2, None, hours(24))]), ["no attempt after a hard decline"]);
    assert_eq!(seen(&[attempt(1, 1, soft, noon), attempt(2, 2, soft, hours(3))]), ["one no of a card a day"]);
    assert_eq!(seen(&[attempt(1, 1, None, noon), attempt(2, 2, None, noon)]), ["one attempt at a time on a card"]);
    assert_eq!(seen(&[attempt(1, 1, soft, hours(10))]), ["nothing at night"]);
    let often: Vec<_> = (0..16).map(|number| attempt(number, 1, fault, hours(24 * i64::from(number)))).collect();
    assert_eq!(seen(&often), ["at most 15 attempts in 30 days"]);
    let daily: Vec<_> = (0..5).map(|number| attempt(number, 1, fault, hours(i64::from(number)))).collect();
    assert_eq!(seen(&daily), ["three retries a day"]);
}
