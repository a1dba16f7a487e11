//! The coverage ledger: each run counts once, runs of one date add up, and what was covered stays covered.

use super::ground::{Ground, closed_run, now};
use super::on_all;
use chrono::{Days, NaiveDate};
use renewd::domain::coverage::Entry;
use renewd::domain::ids::RunId;
use renewd::store::ClosedRun;

on_all!(
    a_run_that_is_closed_twice_counts_once,
    runs_of_one_date_add_up,
    a_run_that_failed_covers_nothing_and_is_there,
    a_run_can_cover_dates_before_its_own,
    the_first_covered_date_is_known_however_long_ago,
);

fn date(days: u64) -> NaiveDate {
    now().date_naive() + Days::new(days)
}

fn entry(run_id: RunId, days: u64, covers: bool) -> Entry {
    Entry { planned: 7, paid: 5, declined: 2, ..Entry::empty(date(days), run_id, covers) }
}

async fn close(ground: &Ground, id: RunId, coverage: Vec<Entry>) {
    ground.close_run(&ClosedRun { coverage, ..closed_run(id) }).await.unwrap();
}

async fn open(ground: &Ground) -> RunId {
    ground.opened_run(date(0)).await
}

async fn a_run_that_is_closed_twice_counts_once(ground: Ground) {
    let run = open(&ground).await;
    close(&ground, run, vec![entry(run, 0, true)]).await;
    let before = ground.coverage(date(0)).await.unwrap();
    // The answer of the first commit was lost, and what is written now is not even the same.
    close(&ground, run, vec![Entry { paid: 99, ..entry(run, 0, false) }]).await;
    assert_eq!(ground.coverage(date(0)).await.unwrap(), before);
    assert_eq!((before.days.len(), before.days[0].paid, before.days[0].runs), (1, 5, 1));
    assert_eq!(ground.count("coverage_runs", "true").await, 1);
}

async fn runs_of_one_date_add_up(ground: Ground) {
    let mut runs = [open(&ground).await, open(&ground).await];
    runs.sort();
    for run in runs.into_iter().rev() {
        let all = Entry {
            failed: 1,
            canceled: 2,
            lapsed: 3,
            no_billing_key: 4,
            unknown: 5,
            review: 6,
            ..entry(run, 0, true)
        };
        close(&ground, run, vec![all]).await;
    }
    let day = ground.coverage(date(0)).await.unwrap().days.remove(0);
    assert_eq!((day.business_date, day.covered, day.runs), (date(0), true, 2));
    assert_eq!((day.planned, day.paid, day.declined, day.failed), (14, 10, 4, 2));
    assert_eq!((day.canceled, day.lapsed, day.no_billing_key, day.unknown, day.review), (4, 6, 8, 10, 12));
    assert_eq!(day.covered_by, Some(runs[0].to_string()), "the first run's name, whoever was written first");
}

async fn a_run_that_failed_covers_nothing_and_is_there(ground: Ground) {
    let (failed, good) = (open(&ground).await, open(&ground).await);
    close(&ground, failed, vec![entry(failed, 0, false)]).await;
    let coverage = ground.coverage(date(0)).await.unwrap();
    assert_eq!(coverage.first_covered, None);
    assert_eq!(
        (coverage.days[0].covered, coverage.days[0].covered_by.clone(), coverage.days[0].runs),
        (false, None, 1)
    );
    close(&ground, good, vec![entry(good, 0, true)]).await;
    let coverage = ground.coverage(date(0)).await.unwrap();
    assert_eq!(coverage.first_covered, Some(date(0)));
    assert_eq!((coverage.days[0].covered, coverage.days[0].runs), (true, 2));
    assert_eq!(coverage.days[0].covered_by, Some(good.to_string()));
}

async fn a_run_can_cover_dates_before_its_own(ground: Ground) {
    let first = open(&ground).await;
    close(&ground, first, vec![entry(first, 0, true)]).await;
    let late = open(&ground).await;
    close(&ground, late, vec![entry(late, 1, true), entry(late, 2, true), entry(late, 4, true)]).await;
    let coverage = ground.coverage(date(0)).await.unwrap();
    let dates: Vec<NaiveDate> = coverage.days.iter().map(|day| day.business_date).collect();
    assert_eq!(dates, [date(0), date(1), date(2), date(4)]);
    assert_eq!(coverage.ledger().missed_before(date(6)), [date(3), date(5)]);
}

async fn the_first_covered_date_is_known_however_long_ago(ground: Ground) {
    for days in [0, 300] {
        let run = open(&ground).await;
        close(&ground, run, vec![entry(run, days, true)]).await;
    }
    let coverage = ground.coverage(date(250)).await.unwrap();
    assert_eq!((coverage.first_covered, coverage.days.len()), (Some(date(0)), 1));
    assert_eq!(coverage.ledger().missed_before(date(253)).len(), 92, "and gaps of a quarter of a year");
}
