//! The ladder of later attempts after a decline, as one pure function.

use super::date::{TimeWindow, Zone, first_allowed};
use super::decline::Reason;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

pub use super::decline::DeclineClass;

/// A retry is never sooner than this: a card that was just declined is declined again.
pub const RETRY_MIN: TimeDelta = TimeDelta::minutes(30);

/// Further ahead no pay day is looked for, in days: each comes once a month.
const MONTH_MAX: usize = 32;

/// The settings of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DunningPolicy {
    /// Days after the first decline, rising.
    pub soft_days: Vec<u32>,
    /// Waits after the first, second, … transient decline of a day, before the ladder is used.
    pub transient_after: Vec<TimeDelta>,
    pub transient_per_day_max: u32,
    /// How many rungs a decline of unknown class has.
    pub unknown_rungs: usize,
    /// Time of day of the ladder's attempts, in the zone.
    pub time_of_day: NaiveTime,
    pub window: TimeWindow,
    pub quiet: TimeWindow,
    /// At most so many attempts of one renewal …
    pub attempts_max: u32,
    /// … in so many days. The card networks' limit is 15 in 30.
    pub attempts_days: u32,
    /// Days of the month on which people are paid, rising; 31 is the last day of every month. Empty: the ladder as it is.
    pub pay_days: Vec<u8>,
}

/// The decline that was just heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    pub class: DeclineClass,
    pub reason: Reason,
}

/// An earlier decline of the renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastDecline {
    pub at: DateTime<Utc>,
    pub class: DeclineClass,
}

/// What the ladder counts: earlier declines of the renewal, the oldest first, without the present one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub first_declined_at: Option<DateTime<Utc>>,
    pub declines: Vec<PastDecline>,
}

/// Why there is no later attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUpReason {
    LadderOver,
    GraceOver,
    AttemptsOver,
}

/// What follows a decline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    RetryAt(DateTime<Utc>),
    /// No attempt with this billing key; a new one makes the renewal due at once.
    AwaitNewKey,
    GiveUp(GiveUpReason),
}

/// When the renewal is tried again after the decline `heard` at `now`.
pub fn next_attempt(
    heard: Heard,
    history: &History,
    now: DateTime<Utc>,
    access_until: DateTime<Utc>,
    zone: Zone,
    policy: &DunningPolicy,
) -> Outcome {
    if heard.class == DeclineClass::Hard {
        return Outcome::AwaitNewKey;
    }
    let candidate = match heard.class {
        DeclineClass::Transient => transient_step(history, now, zone, policy)
            .or_else(|| rung(history, policy.soft_days.len(), now, zone, policy)),
        DeclineClass::Soft => rung(history, policy.soft_days.len(), now, zone, policy),
        DeclineClass::Unknown | DeclineClass::Config | DeclineClass::Hard => {
            rung(history, policy.unknown_rungs, now, zone, policy)
        }
    };
    let Some(rung) = candidate else { return Outcome::GiveUp(GiveUpReason::LadderOver) };
    let waits_for_money = heard.reason == Reason::InsufficientFunds;
    let pay_day = if waits_for_money { pay_day(rung, access_until, zone, policy) } else { None };
    let next = pay_day.unwrap_or(rung);
    if next >= access_until {
        Outcome::GiveUp(GiveUpReason::GraceOver)
    } else if attempts_before(history, next, policy) >= policy.attempts_max {
        Outcome::GiveUp(GiveUpReason::AttemptsOver)
    } else {
        Outcome::RetryAt(next)
    }
}

/// The first rung after `now`, counted in days from the first decline.
fn rung(
    history: &History,
    rungs: usize,
    now: DateTime<Utc>,
    zone: Zone,
    policy: &DunningPolicy,
) -> Option<DateTime<Utc>> {
    let first = zone.date_of(history.first_declined_at.unwrap_or(now));
    let today = zone.date_of(now);
    policy.soft_days.iter().take(rungs).find_map(|days| {
        let date = first.checked_add_days(Days::new(u64::from(*days)))?;
        // One soft or unknown attempt of a card a day is all that its issuer wants to see.
        let next = allowed(zone.at(date, policy.time_of_day), zone, policy)?;
        (date > today && next >= now + RETRY_MIN).then_some(next)
    })
}

/// The first pay day from the rung on, while access lasts: there is no sense in asking an empty account twice before.
fn pay_day(
    rung: DateTime<Utc>,
    access_until: DateTime<Utc>,
    zone: Zone,
    policy: &DunningPolicy,
) -> Option<DateTime<Utc>> {
    let days = zone.date_of(rung).iter_days().take_while(|date| zone.start_of(*date) < access_until);
    days.take(MONTH_MAX)
        .filter(|date| is_pay_day(*date, &policy.pay_days))
        .filter_map(|date| allowed(zone.at(date, policy.time_of_day), zone, policy))
        .find(|at| *at >= rung && *at < access_until)
}

fn is_pay_day(date: NaiveDate, pay_days: &[u8]) -> bool {
    let is_last = date.succ_opt().is_none_or(|next| next.day() == 1);
    pay_days.iter().any(|day| date.day() == u32::from(*day) || (is_last && u32::from(*day) > date.day()))
}

/// The next wait of minutes or hours, while the day that it ends on has a retry left.
fn transient_step(history: &History, now: DateTime<Utc>, zone: Zone, policy: &DunningPolicy) -> Option<DateTime<Utc>> {
    let is_on = |at: DateTime<Utc>, day: NaiveDate| zone.date_of(at) == day;
    let (earlier, today) = (&history.declines, zone.date_of(now));
    let is_todays = |past: &&PastDecline| past.class == DeclineClass::Transient && is_on(past.at, today);
    let wait = policy.transient_after.get(earlier.iter().filter(is_todays).count())?;
    let next = allowed(now + (*wait).max(RETRY_MIN), zone, policy)?;

    // Counted on the day of the retry: what the evening leaves over is tried the next morning, and is one of its three.
    // Every attempt that follows a transient decline counts, a rung of the ladder too.
    let day = zone.date_of(next);
    let attempts = earlier.iter().skip(1).map(|past| past.at).chain([now]);
    let retries = earlier.iter().zip(attempts);
    let retries = retries.filter(|(before, at)| before.class == DeclineClass::Transient && is_on(*at, day)).count();
    let is_spent = |past: &PastDecline| past.class != DeclineClass::Transient && is_on(past.at, day);
    let has_room = retries < policy.transient_per_day_max as usize && !earlier.iter().any(is_spent);
    has_room.then_some(next)
}

fn allowed(at: DateTime<Utc>, zone: Zone, policy: &DunningPolicy) -> Option<DateTime<Utc>> {
    first_allowed(at, zone, &policy.window, &policy.quiet)
}

/// Attempts in the days before `next`, the present one included. Every attempt that counts ended in a decline.
fn attempts_before(history: &History, next: DateTime<Utc>, policy: &DunningPolicy) -> u32 {
    let since = next - TimeDelta::days(i64::from(policy.attempts_days));
    let earlier = history.declines.iter().filter(|past| past.at > since).count();
    u32::try_from(earlier).unwrap_or(u32::MAX).saturating_add(1)
}

impl Default for DunningPolicy {
    fn default() -> Self {
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN);
        Self {
            soft_days: vec![1, 3, 5, 7],
            transient_after: vec![TimeDelta::minutes(30), TimeDelta::hours(2), TimeDelta::hours(4)],
            transient_per_day_max: 3,
            unknown_rungs: 2,
            time_of_day: time(10),
            window: TimeWindow::between(time(9), time(21)),
            quiet: TimeWindow::between(time(23), time(1)),
            attempts_max: 15,
            attempts_days: 30,
            pay_days: vec![10, 25],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// A decline for no reason that the ladder cares for.
    fn of(class: DeclineClass) -> Heard {
        Heard { class, reason: Reason::Unknown }
    }

    fn seoul() -> Zone {
        Zone::parse("Asia/Seoul").unwrap()
    }

    /// A time in Seoul in January 2026.
    fn at(day: u32, time: &str) -> DateTime<Utc> {
        let time = NaiveTime::parse_from_str(time, "%H:%M").unwrap();
        seoul().at(chrono::NaiveDate::from_ymd_opt(2026, 1, day).unwrap(), time)
    }

    /// Retries until it is over: the instants, and how it ended.
    fn ladder(class: DeclineClass, start: DateTime<Utc>, until: DateTime<Utc>) -> (Vec<DateTime<Utc>>, Outcome) {
        let (mut history, mut now, mut retries) = (History::default(), start, Vec::new());
        loop {
            match next_attempt(of(class), &history, now, until, seoul(), &DunningPolicy::default()) {
                Outcome::RetryAt(next) => {
                    history.first_declined_at.get_or_insert(now);
                    history.declines.push(PastDecline { at: now, class });
                    retries.push(next);
                    now = next;
                }
                end => return (retries, end),
            }
        }
    }

    #[test]
    fn a_soft_decline_climbs_the_ladder_at_ten() {
        let (retries, end) = ladder(DeclineClass::Soft, at(1, "10:05"), at(20, "00:00"));
        assert_eq!(retries, [at(2, "10:00"), at(4, "10:00"), at(6, "10:00"), at(8, "10:00")]);
        assert_eq!(end, Outcome::GiveUp(GiveUpReason::LadderOver));
    }

    #[test]
    fn an_unknown_decline_has_two_rungs_and_a_hard_one_none() {
        let (retries, end) = ladder(DeclineClass::Unknown, at(1, "10:05"), at(20, "00:00"));
        assert_eq!(retries, [at(2, "10:00"), at(4, "10:00")]);
        assert_eq!(end, Outcome::GiveUp(GiveUpReason::LadderOver));
        assert_eq!(ladder(DeclineClass::Hard, at(1, "10:05"), at(20, "00:00")), (vec![], Outcome::AwaitNewKey));
    }

    #[test]
    fn a_transient_decline_is_tried_three_times_that_day_and_then_climbs() {
        let (retries, _) = ladder(DeclineClass::Transient, at(1, "10:00"), at(3, "00:00"));
        assert_eq!(retries[..4], [at(1, "10:30"), at(1, "12:30"), at(1, "16:30"), at(2, "10:00")]);
    }

    #[test]
    fn what_falls_after_the_window_waits_for_the_morning() {
        let (retries, _) = ladder(DeclineClass::Transient, at(1, "20:45"), at(2, "09:20"));
        assert_eq!(retries, [at(2, "09:00")]);
    }

    #[test]
    fn a_day_has_three_transient_retries_wherever_they_come_from() {
        let (retries, _) = ladder(DeclineClass::Transient, at(1, "20:45"), at(20, "00:00"));
        let second_day = [at(2, "09:00"), at(2, "09:30"), at(2, "11:30")];
        assert_eq!(retries[..4], [&second_day[..], &[at(4, "10:00")]].concat(), "the evening's retry is the first");
        let (retries, end) = ladder(DeclineClass::Transient, at(1, "10:00"), at(20, "00:00"));
        assert_eq!(retries[3..6], [at(2, "10:00"), at(2, "10:30"), at(2, "12:30")]);
        assert_eq!(retries.len() + 1, 15, "attempts in all, the first included");
        assert_eq!(end, Outcome::GiveUp(GiveUpReason::AttemptsOver));
    }

    #[test]
    fn a_card_that_said_no_today_is_not_tried_again_today_after_a_fault() {
        let soft = PastDecline { at: at(1, "10:00"), class: DeclineClass::Soft };
        let history = History { first_declined_at: Some(soft.at), declines: vec![soft] };
        let policy = DunningPolicy::default();
        let heard = of(DeclineClass::Transient);
        let next = next_attempt(heard, &history, at(1, "15:00"), at(20, "00:00"), seoul(), &policy);
        assert_eq!(next, Outcome::RetryAt(at(2, "10:00")));
    }

    #[test]
    fn a_rung_that_was_missed_is_not_caught_up_with() {
        let soft = PastDecline { at: at(1, "10:00"), class: DeclineClass::Soft };
        let history = History { first_declined_at: Some(soft.at), declines: vec![soft] };
        let (policy, late) = (DunningPolicy::default(), at(5, "11:00"));
        let next = |class| next_attempt(of(class), &history, late, at(20, "00:00"), seoul(), &policy);
        assert_eq!(next(DeclineClass::Soft), Outcome::RetryAt(at(6, "10:00")));
        assert_eq!(next(DeclineClass::Unknown), Outcome::GiveUp(GiveUpReason::LadderOver));
        assert_eq!(next(DeclineClass::Config), next(DeclineClass::Unknown));
    }

    #[test]
    fn a_time_of_day_in_the_quiet_time_waits_for_its_end() {
        let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let night = DunningPolicy { time_of_day: hour(0), window: TimeWindow::ALWAYS, ..DunningPolicy::default() };
        let next = |policy: &DunningPolicy| {
            let heard = of(DeclineClass::Soft);
            next_attempt(heard, &History::default(), at(1, "10:00"), at(20, "00:00"), seoul(), policy)
        };
        assert_eq!(next(&night), Outcome::RetryAt(at(2, "01:00")));
        let never = DunningPolicy { window: night.quiet, ..night };
        assert_eq!(next(&never), Outcome::GiveUp(GiveUpReason::LadderOver), "no time is left: none is invented");
    }

    #[test]
    fn attempts_older_than_the_limits_days_do_not_count() {
        let decline =
            |hours| PastDecline { at: at(1, "10:00") + TimeDelta::hours(hours), class: DeclineClass::Transient };
        let history = History { first_declined_at: Some(at(1, "10:00")), declines: (0..14).map(decline).collect() };
        let next = |days: u32, now: u32| {
            let policy = DunningPolicy { soft_days: vec![days], ..DunningPolicy::default() };
            let now = at(1, "12:00") + TimeDelta::days(i64::from(now));
            next_attempt(of(DeclineClass::Soft), &history, now, now + TimeDelta::days(90), seoul(), &policy)
        };
        assert_eq!(next(29, 20), Outcome::GiveUp(GiveUpReason::AttemptsOver));
        assert_eq!(next(31, 20), Outcome::RetryAt(at(1, "10:00") + TimeDelta::days(31)));
    }

    #[test]
    fn nothing_is_planned_after_access_ends() {
        let (retries, end) = ladder(DeclineClass::Soft, at(1, "10:05"), at(6, "10:00"));
        assert_eq!(retries, [at(2, "10:00"), at(4, "10:00")]);
        assert_eq!(end, Outcome::GiveUp(GiveUpReason::GraceOver));
    }

    fn broke(now: DateTime<Utc>, until: DateTime<Utc>, pay_days: &[u8]) -> Outcome {
        let heard = Heard { class: DeclineClass::Soft, reason: Reason::InsufficientFunds };
        let policy = DunningPolicy { pay_days: pay_days.to_vec(), ..DunningPolicy::default() };
        next_attempt(heard, &History::default(), now, until, seoul(), &policy)
    }

    #[test]
    fn an_empty_account_is_asked_again_on_the_next_pay_day_that_access_lasts_for() {
        let until = at(12, "00:00");
        assert_eq!(broke(at(5, "10:05"), until, &[10, 25]), Outcome::RetryAt(at(10, "10:00")));
        assert_eq!(broke(at(9, "10:05"), until, &[10, 25]), Outcome::RetryAt(at(10, "10:00")), "the rung is the day");
        assert_eq!(broke(at(10, "10:05"), until, &[10, 25]), Outcome::RetryAt(at(11, "10:00")), "the next is too late");
        assert_eq!(broke(at(5, "10:05"), until, &[]), Outcome::RetryAt(at(6, "10:00")), "off");
        assert_eq!(broke(at(5, "10:05"), at(10, "10:00"), &[10]), Outcome::RetryAt(at(6, "10:00")), "access ends then");
        let limit = Heard { class: DeclineClass::Soft, reason: Reason::OverLimit };
        let next = next_attempt(limit, &History::default(), at(5, "10:05"), until, seoul(), &DunningPolicy::default());
        assert_eq!(next, Outcome::RetryAt(at(6, "10:00")), "a limit is not a matter of pay");
    }

    #[test]
    fn the_31st_is_the_last_day_of_every_month() {
        let february = |day, time: &str| at(31, time) + TimeDelta::days(day);
        let next = broke(february(20, "10:05"), february(29, "00:00"), &[31]);
        assert_eq!(next, Outcome::RetryAt(february(28, "10:00")));
        assert_eq!(broke(at(28, "10:05"), february(9, "00:00"), &[31]), Outcome::RetryAt(at(31, "10:00")));
    }

    fn class() -> impl Strategy<Value = DeclineClass> {
        prop::sample::select(vec![DeclineClass::Soft, DeclineClass::Transient, DeclineClass::Unknown])
    }

    proptest! {
        #[test]
        fn no_mix_of_declines_breaks_the_limits(classes in prop::collection::vec(class(), 40), minutes in 0_i64..1440) {
            let policy = DunningPolicy { soft_days: (1..=40).collect(), ..DunningPolicy::default() };
            let start = at(1, "00:00") + TimeDelta::minutes(minutes);
            let (mut history, mut now, mut attempts) = (History::default(), start, vec![start]);
            let mut retries_a_day: BTreeMap<NaiveDate, u32> = BTreeMap::new();
            let mut said_no: BTreeSet<NaiveDate> = BTreeSet::new();
            for class in classes {
                let until = start + TimeDelta::days(60);
                let heard = of(class);
                let Outcome::RetryAt(next) = next_attempt(heard, &history, now, until, seoul(), &policy) else { break };
                prop_assert!(next >= now + RETRY_MIN);
                prop_assert!(policy.window.contains(seoul().time_of(next)) && !policy.quiet.contains(seoul().time_of(next)));
                if class == DeclineClass::Transient {
                    let retries = retries_a_day.entry(seoul().date_of(next)).or_default();
                    *retries += 1;
                    prop_assert!(*retries <= 3, "{retries} transient retries on {next}");
                } else {
                    prop_assert!(said_no.insert(seoul().date_of(now)), "two answers of the card on {now}");
                    prop_assert!(seoul().date_of(next) > seoul().date_of(now), "one attempt a day");
                }
                history.first_declined_at.get_or_insert(now);
                history.declines.push(PastDecline { at: now, class });
                now = next;
                attempts.push(next);
            }
            for (index, first) in attempts.iter().enumerate() {
                let inside = attempts[index..].iter().filter(|other| **other - *first < TimeDelta::days(30)).count();
                prop_assert!(inside <= 15, "{inside} attempts in 30 days");
            }
        }

        #[test]
        fn a_pay_day_is_never_before_the_rung_and_never_after_access(
            minutes in 0_i64..44_640, grace in 1_i64..40, pay_days in prop::collection::btree_set(1_u8..=31, 0..4),
        ) {
            let now = at(1, "00:00") + TimeDelta::minutes(minutes);
            let until = now + TimeDelta::days(grace);
            let pay_days: Vec<u8> = pay_days.into_iter().collect();
            match (broke(now, until, &[]), broke(now, until, &pay_days)) {
                (Outcome::RetryAt(rung), Outcome::RetryAt(next)) => {
                    prop_assert!(rung <= next && next < until);
                    prop_assert!(next == rung || is_pay_day(seoul().date_of(next), &pay_days));
                }
                (without, with) => prop_assert_eq!(without, with, "it changes when, and never whether"),
            }
        }

        #[test]
        fn a_later_decline_is_never_tried_sooner(
            class in prop::sample::select(vec![DeclineClass::Soft, DeclineClass::Unknown]),
            minutes in 0_i64..14_400, later in 1_i64..14_400,
        ) {
            let first = PastDecline { at: at(1, "10:05"), class };
            let history = History { first_declined_at: Some(first.at), declines: vec![first] };
            let policy = DunningPolicy::default();
            let next = |minutes| {
                let now = first.at + TimeDelta::minutes(minutes);
                next_attempt(of(class), &history, now, at(28, "00:00"), seoul(), &policy)
            };
            match (next(minutes), next(minutes + later)) {
                (Outcome::RetryAt(sooner), Outcome::RetryAt(after)) => prop_assert!(sooner <= after),
                (sooner, after) => prop_assert_eq!(after, Outcome::GiveUp(GiveUpReason::LadderOver), "{:?}", sooner),
            }
        }
    }
}
