//! The coverage ledger: which business dates had a run that did all its work, and what was planned for them.
//!
//! A date without one is a gap. Nothing is lost in it: what was due stays due and the next run takes it up, as long as it
//! is not over for longer than `max_overdue`. But a night that nobody noticed is a schedule that does not work.

use super::brakes::Usual;
use super::ids::RunId;
use chrono::{Days, NaiveDate};
use serde::Serialize;
use std::collections::BTreeMap;

/// How far back gaps are looked for: what is older has long lapsed.
const LOOK_BACK_DAYS: u64 = 92;

/// Comparable days, as days before: the same weekday of four weeks, and the days a month ago, when those who are charged
/// today were mostly charged.
const COMPARABLE: [u64; 7] = [7, 14, 21, 28, 29, 30, 31];

/// So many comparable days are needed for a judgement: one may have been a rehearsal.
const COMPARABLE_MIN: usize = 2;

/// What one run did for one business date. A run that caught up a missed date has an entry for that date too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub business_date: NaiveDate,
    pub run_id: RunId,
    /// With this run the date is done: all that was due was taken up.
    pub covers: bool,
    /// Renewals that were planned to be charged.
    pub planned: u64,
    /// What was settled, whenever it was planned.
    pub paid: u64,
    pub declined: u64,
    pub failed: u64,
    pub canceled: u64,
    /// Ended too long ago to be charged by surprise.
    pub lapsed: u64,
    pub no_billing_key: u64,
    pub unknown: u64,
    pub review: u64,
}

impl Entry {
    /// Nothing was planned and nothing settled.
    pub fn empty(business_date: NaiveDate, run_id: RunId, covers: bool) -> Self {
        Self {
            business_date,
            run_id,
            covers,
            planned: 0,
            paid: 0,
            declined: 0,
            failed: 0,
            canceled: 0,
            lapsed: 0,
            no_billing_key: 0,
            unknown: 0,
            review: 0,
        }
    }
}

/// One business date, over all its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    pub business_date: NaiveDate,
    pub covered: bool,
    pub planned: u64,
}

/// The dates before a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The first date that was ever covered: nothing is a gap before it.
    first_covered: Option<NaiveDate>,
    days: BTreeMap<NaiveDate, Day>,
}

impl Ledger {
    pub fn new(first_covered: Option<NaiveDate>, days: impl IntoIterator<Item = Day>) -> Self {
        Self { first_covered, days: days.into_iter().map(|day| (day.business_date, day)).collect() }
    }

    /// The first date that a look at the dates before `date` needs.
    pub fn needed_from(date: NaiveDate) -> NaiveDate {
        date.checked_sub_days(Days::new(LOOK_BACK_DAYS)).unwrap_or(date)
    }

    /// The first date that was ever covered.
    pub fn first_covered(&self) -> Option<NaiveDate> {
        self.first_covered
    }

    /// The gaps before `date`, the oldest first: dates since the first covered one without a run that did all its work.
    pub fn missed_before(&self, date: NaiveDate) -> Vec<NaiveDate> {
        let Some(first) = self.first_covered else { return Vec::new() };
        let from = first.max(Self::needed_from(date));
        from.iter_days().take_while(|day| *day < date).filter(|day| !self.is_covered(*day)).collect()
    }

    /// Those of the gaps for which nothing was ever planned: what was due on them comes on top of what is due today. Where a
    /// run planned and was held, a day of waiting must not make what it was held for look ordinary.
    pub fn unplanned(&self, missed: &[NaiveDate]) -> usize {
        missed.iter().filter(|date| self.days.get(date).is_none_or(|day| day.planned == 0)).count()
    }

    fn is_covered(&self, date: NaiveDate) -> bool {
        self.days.get(&date).is_some_and(|day| day.covered)
    }

    /// What a run for `date` is compared with, when it also takes up `missed` dates; `None` while there is too little.
    pub fn usual(&self, date: NaiveDate, missed: usize) -> Option<Usual> {
        let before = |days: &u64| self.days.get(&date.checked_sub_days(Days::new(*days))?).filter(|day| day.covered);
        let comparable: Vec<&Day> = COMPARABLE.iter().filter_map(before).collect();
        if comparable.len() < COMPARABLE_MIN {
            return None;
        }
        let busiest = comparable.into_iter().max_by_key(|day| (day.planned, day.business_date))?;
        let dates = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
        Some(Usual { busiest: busiest.planned, on: busiest.business_date, dates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn covered(days: &[(&str, u64)]) -> Ledger {
        let day = |(day, planned): &(&str, u64)| Day { business_date: date(day), covered: true, planned: *planned };
        Ledger::new(days.first().map(|(day, _)| date(day)), days.iter().map(day))
    }

    #[test]
    fn a_gap_is_a_date_since_the_first_that_nobody_covered() {
        let ledger = covered(&[("2026-01-26", 1), ("2026-01-28", 1)]);
        let missed = |day| ledger.missed_before(date(day));
        assert_eq!(missed("2026-01-30"), [date("2026-01-27"), date("2026-01-29")]);
        assert_eq!(missed("2026-01-28"), [date("2026-01-27")]);
        assert_eq!(missed("2026-01-26"), [], "before the first nothing is missed");
        assert_eq!(Ledger::default().missed_before(date("2026-01-30")), []);
    }

    #[test]
    fn a_run_that_failed_covers_nothing() {
        let failed = Day { business_date: date("2026-01-27"), covered: false, planned: 9 };
        let first = Day { business_date: date("2026-01-26"), covered: true, planned: 9 };
        let ledger = Ledger::new(Some(date("2026-01-26")), [first, failed]);
        assert_eq!(ledger.missed_before(date("2026-01-28")), [date("2026-01-27")]);
    }

    #[test]
    fn the_busiest_of_the_same_weekdays_and_of_a_month_ago_is_the_measure() {
        let ledger = covered(&[("2026-01-02", 40), ("2026-01-16", 10), ("2026-01-23", 20), ("2026-01-29", 999)]);
        let usual = ledger.usual(date("2026-01-30"), 2).unwrap();
        assert_eq!((usual.busiest, usual.on, usual.dates), (40, date("2026-01-02"), 3));
        // 2 January is no longer comparable on 3 February; 16 and 23 January are no Tuesdays.
        assert_eq!(ledger.usual(date("2026-02-03"), 0), None);
        assert_eq!(covered(&[("2026-01-23", 20)]).usual(date("2026-01-30"), 0), None, "one may have been a rehearsal");
    }

    proptest! {
        /// Covered, missed, or outside: each date is exactly one of them, and covering a gap closes that gap alone.
        #[test]
        fn covering_a_gap_closes_it_alone(which in prop::collection::vec(any::<bool>(), 1..60), pick in any::<prop::sample::Index>()) {
            let (first, mut days) = (date("2026-01-01"), Vec::new());
            for (at, is_covered) in which.iter().enumerate() {
                let business_date = first + Days::new(at as u64);
                days.push(Day { business_date, covered: *is_covered || at == 0, planned: 1 });
            }
            let today = first + Days::new(which.len() as u64);
            let missed = Ledger::new(Some(first), days.clone()).missed_before(today);
            prop_assert_eq!(missed.len(), days.iter().filter(|day| !day.covered).count());
            if !missed.is_empty() {
                let gap = missed[pick.index(missed.len())];
                days.iter_mut().filter(|day| day.business_date == gap).for_each(|day| day.covered = true);
                let rest = Ledger::new(Some(first), days).missed_before(today);
                prop_assert_eq!(rest, missed.into_iter().filter(|day| *day != gap).collect::<Vec<_>>());
            }
        }
    }
}
