//! The coverage ledger: a night without a run is seen, and the next run closes the gap.

use crate::world::{On, World};
use chrono::{NaiveDate, TimeDelta};
use renewd::engine::coverage::{CaughtUp, Coverage, coverage};
use renewd::engine::report::RunReport;
use renewd::engine::run::{RunRequest, Scope};
use renewd::gateway::simulator::{Trouble, When};
use renewd::store::{Paused, Switch};

crate::on_both_databases! {
    a_missed_date_is_told_and_caught_up_by_the_next_run,
    what_is_too_old_is_told_and_not_charged,
    two_runs_of_one_date_do_no_harm,
    a_run_that_did_not_do_all_its_work_covers_nothing,
    what_a_failed_run_planned_is_not_lost_from_the_ledger,
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

async fn ledger(world: &World) -> Coverage {
    coverage(&*world.store, world.app.zone).await.unwrap()
}

fn caught_up(date: &str, planned: u64, lapsed: u64) -> CaughtUp {
    CaughtUp { business_date: self::date(date), planned, lapsed }
}

async fn a_missed_date_is_told_and_caught_up_by_the_next_run(on: On) {
    let world = World::new(on).await;
    assert_eq!(ledger(&world).await, Coverage::default(), "before the first run nothing is missed");
    world.subscribe("first", "bk-first").await;
    world.subscribe_until("missed", "bk-missed", "2026-02-01").await;
    world.subscribe_until("today", "bk-today", "2026-02-03").await;
    assert_eq!(world.run().await.paid, 1);
    world.clock.pass(TimeDelta::days(3));
    let before = ledger(&world).await;
    assert_eq!(before.first_covered, Some(date("2026-01-30")));
    assert_eq!(before.missed, ["2026-01-31", "2026-02-01"].map(date));

    let report = world.run().await;
    assert_eq!((report.paid, report.planned), (2, 2));
    assert_eq!(report.caught_up, [caught_up("2026-01-31", 1, 0), caught_up("2026-02-01", 0, 0)]);
    let after = ledger(&world).await;
    assert_eq!(after.missed, []);
    let days: Vec<_> = after.days.iter().map(|day| (day.business_date.to_string(), day.planned, day.paid)).collect();
    let day = |date: &str, planned, paid| (date.to_owned(), planned, paid);
    let all = [day("2026-01-30", 1, 1), day("2026-01-31", 1, 0), day("2026-02-01", 0, 0), day("2026-02-02", 1, 2)];
    assert_eq!(days, all, "planned for the day that it was due on, settled on the day that it was");
    assert!(after.days[1..].iter().all(|day| day.covered_by.as_deref() == Some(&*report.run_id)), "{after:?}");
}

async fn what_is_too_old_is_told_and_not_charged(on: On) {
    let world = World::new(on).await;
    world.run().await;
    for (id, end) in [("old-1", "2026-02-01"), ("old-2", "2026-02-01"), ("young", "2026-02-04")] {
        world.subscribe_until(id, &format!("bk-{id}"), end).await;
    }
    let report = world.run_after(TimeDelta::days(6)).await;
    assert_eq!((report.lapsed, report.paid), (2, 1), "{report:?}");
    let told: Vec<&CaughtUp> = report.caught_up.iter().filter(|date| date.planned + date.lapsed > 0).collect();
    assert_eq!(told, [&caught_up("2026-01-31", 0, 2), &caught_up("2026-02-03", 1, 0)]);
    assert!(world.charges("old-1").is_empty());
    let after = ledger(&world).await;
    assert_eq!(after.missed, []);
    let lapsed: i64 = after.days.iter().map(|day| day.lapsed).sum();
    assert_eq!((after.days[1].lapsed, lapsed), (2, 2), "counted once, for the date that was missed");
}

async fn two_runs_of_one_date_do_no_harm(on: On) {
    let world = World::new(on).await;
    world.subscribe("one", "bk-one").await;
    world.subscribe("two", "bk-two-insufficient").await;
    let first = world.run().await;
    world.subscribe("three", "bk-three").await;
    let (left, right) = tokio::join!(world.run(), world.run());
    assert_eq!((left.status.as_str(), right.status.as_str()), ("completed", "completed"));
    let day = ledger(&world).await.days.remove(0);
    assert_eq!((day.runs, day.planned, day.paid, day.declined), (3, 3, 2, 1));
    assert_eq!(day.covered_by, Some(first.run_id), "covered by the first");
}

async fn run_with(world: &World, request: RunRequest) -> RunReport {
    world.run_as(RunRequest { trigger: "test".to_owned(), ..request }).await.unwrap()
}

async fn a_run_that_did_not_do_all_its_work_covers_nothing(on: On) {
    let world = World::new(on).await;
    for id in ["one", "two", "three"] {
        world.subscribe(id, &format!("bk-{id}")).await;
    }
    let is_covered = async || ledger(&world).await.first_covered.is_some();
    run_with(&world, RunRequest { scope: Scope::Planned, ..RunRequest::default() }).await;
    assert!(!is_covered().await, "nothing new was begun");
    run_with(&world, RunRequest { only: vec!["one".into()], ..RunRequest::default() }).await;
    assert!(!is_covered().await, "some subscriptions");
    run_with(&world, RunRequest { charges_max: Some(1), ..RunRequest::default() }).await;
    assert!(!is_covered().await, "one charge of two");
    let paused = Paused { at: world.store.now().await.unwrap(), by: "ops".into(), reason: "a drill".into() };
    world.store.set_switch(&Switch { paused: Some(paused) }).await.unwrap();
    assert_eq!(world.run().await.status, "completed");
    assert!(!is_covered().await, "charging was paused");
    world.store.set_switch(&Switch { paused: None }).await.unwrap();
    world.rule(When::Always, Trouble::Unauthorized);
    assert_eq!(world.run().await.status, "failed");
    assert!(!is_covered().await, "it failed");
    world.simulator.model().clear_rules();
    let report = run_with(&world, RunRequest { charges_max: Some(5), ..RunRequest::default() }).await;
    assert_eq!((report.paid, report.left_due), (1, 0));
    assert!(is_covered().await, "as many as it may, and none is left");
    let day = ledger(&world).await.days.remove(0);
    assert_eq!((day.runs, day.planned, day.paid), (6, 3, 3));
}

async fn what_a_failed_run_planned_is_not_lost_from_the_ledger(on: On) {
    let world = World::with(on, &[("brakes.charges_max", "1")]).await;
    world.run().await;
    for id in ["one", "two"] {
        world.subscribe_until(id, &format!("bk-{id}"), "2026-02-01").await;
    }
    let held = world.run_after(TimeDelta::days(2)).await;
    assert_eq!((held.status.as_str(), held.planned, held.caught_up.len()), ("failed", 2, 0));
    assert_eq!(ledger(&world).await.missed, [date("2026-01-31")], "it is still a gap");
    let missed = |coverage: Coverage| coverage.days.into_iter().find(|day| day.business_date == date("2026-01-31"));
    assert_eq!(missed(ledger(&world).await).unwrap().planned, 2);
    let report = run_with(&world, RunRequest { charges_max: Some(1), ..RunRequest::default() }).await;
    assert_eq!(report.paid, 1);
    assert_eq!(world.run().await.paid, 1);
    let day = missed(ledger(&world).await).unwrap();
    assert_eq!((day.planned, day.covered), (2, true));
}
