//! The coverage ledger within a run: which dates were missed before it, and what it planned for each.
//!
//! A missed date needs no run of its own: what was due then is still due, and the next run takes it up. The ledger says so.

use super::report::RunReport;
use super::run::{Run, Scope};
use super::{Engine, RunError};
use crate::domain::brakes::Usual;
use crate::domain::coverage::{Entry, Ledger};
use crate::domain::date::Zone;
use crate::domain::due::{Disposition, PlannedRenewal};
use crate::domain::ids::RunId;
use crate::store::read::CoverageDay;
use crate::store::{Store, StoreError};
use chrono::NaiveDate;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the ledger says today.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// The first business date that was ever covered; `None` before the first run.
    pub first_covered: Option<NaiveDate>,
    /// Business dates up to yesterday without a run that did all its work: the next run catches them up.
    pub missed: Vec<NaiveDate>,
    /// The days of the last weeks that had a run, the newest last.
    pub days: Vec<CoverageDay>,
}

/// What the ledger says today, in the business zone: for people, and for whoever asks whether all is well.
///
/// # Errors
/// [`StoreError`].
pub async fn coverage(store: &dyn Store, zone: Zone) -> Result<Coverage, StoreError> {
    let today = zone.date_of(store.now().await?);
    let read = store.coverage(Ledger::needed_from(today)).await?;
    let missed = read.ledger().missed_before(today);
    Ok(Coverage { first_covered: read.first_covered, missed, days: read.days })
}

/// A business date that was missed, and that a later run took up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaughtUp {
    pub business_date: NaiveDate,
    /// Renewals that were due on it and were planned now.
    pub planned: u64,
    /// Subscriptions that were due on it and ended too long ago to be charged by surprise.
    pub lapsed: u64,
}

/// What a run knows of the dates before it, and what it planned for which.
pub(super) struct Book {
    business_date: NaiveDate,
    ledger: Ledger,
    missed: Vec<NaiveDate>,
    planned: Mutex<BTreeMap<NaiveDate, Planned>>,
}

#[derive(Clone, Copy, Default)]
struct Planned {
    charges: u64,
    lapsed: u64,
}

impl Engine {
    /// Opens the ledger for a run of `date`.
    pub(super) async fn book(&self, date: NaiveDate) -> Result<Book, RunError> {
        let ledger = self.store.coverage(Ledger::needed_from(date)).await?.ledger();
        Ok(Book::new(date, ledger))
    }

    /// Counts one planned renewal for the date that it was due on.
    pub(super) fn count_planned(&self, run: &Run, disposition: Disposition, planned: &PlannedRenewal) {
        let due_on = || self.policy.zone.date_of(self.policy.due_at(planned.period_start));
        run.book.count(disposition, due_on);
    }
}

impl Book {
    fn new(business_date: NaiveDate, ledger: Ledger) -> Self {
        let missed = ledger.missed_before(business_date);
        Self { business_date, ledger, missed, planned: Mutex::default() }
    }

    /// What the plan is compared with.
    pub fn usual(&self) -> Option<Usual> {
        self.ledger.usual(self.business_date, self.ledger.unplanned(&self.missed))
    }

    fn count(&self, disposition: Disposition, due_on: impl FnOnce() -> NaiveDate) {
        // On almost all days nothing was missed, and no date has to be worked out.
        let due_on = (!self.missed.is_empty()).then(due_on).filter(|date| self.missed.contains(date));
        let mut planned = self.lock();
        let date = planned.entry(due_on.unwrap_or(self.business_date)).or_default();
        match disposition {
            Disposition::Renew => date.charges += 1,
            Disposition::Lapse => date.lapsed += 1,
            Disposition::Cancel | Disposition::NoKey | Disposition::Review => {}
        }
    }

    /// The missed dates, as this run found them.
    pub fn caught_up(&self) -> Vec<CaughtUp> {
        let planned = self.lock();
        let date = |date: &NaiveDate| {
            let Planned { charges, lapsed } = planned.get(date).copied().unwrap_or_default();
            CaughtUp { business_date: *date, planned: charges, lapsed }
        };
        self.missed.iter().map(date).collect()
    }

    /// Says loudly what came too late: nobody charges it any more unless a person does.
    pub fn tell_lapsed(&self, run: RunId) {
        for date in self.caught_up().into_iter().filter(|date| date.lapsed > 0) {
            tracing::error!(
                run.id = %run,
                business_date = %date.business_date,
                "no run covered {}, and {} subscriptions that were due then ended longer ago than business.max_overdue: they are lapsed and not charged",
                date.business_date,
                date.lapsed
            );
        }
    }

    /// The ledger's entries of a run that is over. Only a run that `covers` closes gaps.
    pub fn entries(&self, run_id: RunId, report: &RunReport, covers: bool) -> Vec<Entry> {
        let caught_up = self.caught_up();
        let lapsed_before: u64 = caught_up.iter().map(|date| date.lapsed).sum();
        let own = Entry {
            planned: self.lock().get(&self.business_date).copied().unwrap_or_default().charges,
            paid: report.paid,
            declined: report.declined,
            failed: report.failed,
            canceled: report.canceled,
            lapsed: report.lapsed.saturating_sub(lapsed_before),
            no_billing_key: report.no_billing_key,
            unknown: report.unknown,
            review: report.review,
            ..Entry::empty(self.business_date, run_id, covers)
        };
        let missed = caught_up.into_iter().filter(|date| covers || date.planned + date.lapsed > 0);
        let missed = missed.map(|date| Entry {
            planned: date.planned,
            lapsed: date.lapsed,
            ..Entry::empty(date.business_date, run_id, covers)
        });
        missed.chain([own]).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NaiveDate, Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// Whether all that was due on the run's date was taken up: a run that began nothing new, or of some subscriptions, or while the kill switch was
    /// on, leaves the rest to another.
    pub(super) fn covers(&self, report: &RunReport) -> bool {
        let all = self.scope == Scope::Whole
            && self.only.is_none()
            && (self.charges_left().is_none() || report.left_due == 0);
        report.status == "completed" && !report.paused && all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::coverage::Day;
    use uuid::Uuid;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// 26 January was covered, the 27th and 28th were not; it is the 29th.
    fn book() -> Book {
        let day = Day { business_date: date("2026-01-26"), covered: true, planned: 5 };
        Book::new(date("2026-01-29"), Ledger::new(Some(day.business_date), [day]))
    }

    #[test]
    fn what_was_due_on_a_missed_date_counts_for_it_and_the_rest_for_today() {
        let book = book();
        for (disposition, due_on) in [
            (Disposition::Renew, "2026-01-28"),
            (Disposition::Renew, "2026-01-28"),
            (Disposition::Lapse, "2026-01-27"),
            (Disposition::Renew, "2026-01-29"),
            // Due before there was a ledger: nobody missed that date.
            (Disposition::Renew, "2026-01-20"),
            (Disposition::Cancel, "2026-01-29"),
        ] {
            book.count(disposition, || date(due_on));
        }
        let report = RunReport { paid: 4, lapsed: 3, ..RunReport::default() };
        let run = RunId(Uuid::from_u128(1));
        let entry =
            |day: &str, covers, planned, lapsed| Entry { planned, lapsed, ..Entry::empty(date(day), run, covers) };
        let own = |covers| Entry { paid: 4, ..entry("2026-01-29", covers, 2, 2) };
        let covering = [entry("2026-01-27", true, 0, 1), entry("2026-01-28", true, 2, 0), own(true)];
        assert_eq!(book.entries(run, &report, true), covering);
        let failed = [entry("2026-01-27", false, 0, 1), entry("2026-01-28", false, 2, 0), own(false)];
        assert_eq!(book.entries(run, &report, false), failed);
    }

    #[test]
    fn a_run_that_covers_nothing_leaves_the_gaps_open() {
        let (book, report) = (book(), RunReport::default());
        let dates = |covers| {
            let entries = book.entries(RunId(Uuid::from_u128(1)), &report, covers);
            entries.into_iter().map(|entry| entry.business_date.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(dates(false), ["2026-01-29"]);
        assert_eq!(dates(true), ["2026-01-27", "2026-01-28", "2026-01-29"]);
    }
}
