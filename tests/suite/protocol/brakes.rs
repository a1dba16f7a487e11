//! Brakes: what is more than one run may do is held until a person has looked, and nothing of it is lost.

use crate::told::Told;
use crate::world::{On, World, key};
use chrono::{NaiveDate, TimeDelta};
use renewd::domain::brakes::{Brake, Override};
use renewd::domain::coverage::Entry;
use renewd::domain::ids::RunId;
use renewd::domain::payment::PaymentStatus;
use renewd::engine::report::RunReport;
use renewd::engine::run::{RunRequest, Scope};
use renewd::shutdown::Shutdown;
use renewd::store::{ClosedRun, NewRun};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

crate::on_both_databases! {
    more_charges_than_a_run_may_make_are_held_whole,
    a_sum_that_is_too_large_is_held,
    what_grew_too_much_is_held_on_the_next_day_too,
    growth_of_a_small_business_is_none,
    growth_is_held_on_through_runs_that_ended_early_and_other_overrides,
    a_day_of_waiting_makes_no_growth_ordinary,
    a_missed_day_is_no_growth,
    a_channel_that_declines_too_many_stops_alone,
    the_days_retries_leave_a_held_channel_alone,
    retries_that_are_declined_again_stop_nothing,
    what_becomes_due_on_the_way_is_held_too,
    a_limited_run_has_only_its_own_charges_ahead_of_it,
    a_person_can_go_on_without_the_comparison,
    a_run_that_was_let_go_says_so_even_if_nothing_tripped,
}

pub async fn world(on: On, settings: &[(&'static str, &str)], subscriptions: usize) -> World {
    let world = World::with(on, &[&[("charge.concurrency", "2")], settings].concat()).await;
    for number in 0..subscriptions {
        world.subscribe(&format!("sub-{number}"), &format!("bk-{number}")).await;
    }
    world
}

async fn run_without(world: &World, brakes: &[Brake]) -> RunReport {
    let let_go = Override {
        brakes: brakes.iter().copied().collect(),
        by: "mina".to_owned(),
        reason: "a campaign ended".to_owned(),
    };
    let request = RunRequest { trigger: "test".to_owned(), let_go: Some(let_go), ..RunRequest::default() };
    world.run_as(request).await.unwrap()
}

pub fn tripped(report: &RunReport) -> Vec<Brake> {
    report.brakes.iter().map(|tripped| tripped.brake).collect()
}

/// Held before anything was claimed: no attempt, no charge, and all of it still due.
async fn assert_held(world: &World, report: &RunReport, brake: Brake, due: u64) {
    assert_eq!((report.status.as_str(), tripped(report)), ("failed", vec![brake]), "{report:?}");
    assert!(report.problem.as_ref().unwrap().starts_with(&format!("brake {brake} holds charging: ")), "{report:?}");
    assert_eq!((report.due, report.left_due, report.paid), (due, due, 0));
    assert_eq!(world.texts("SELECT id || '' FROM (SELECT CAST(id AS text) AS id FROM attempts) a").await, [""; 0]);
    assert!(world.simulator.model().ledger().charges().is_empty());
    let told = world.told("brake.tripped").await;
    assert_eq!(
        (told.last().unwrap()["brake"].as_str(), told.last().unwrap()["severity"].as_str()),
        (Some(brake.as_str()), Some("critical"))
    );
    let failed = world.told("run.failed").await;
    assert_eq!(failed.last().unwrap()["brakes"][0]["brake"], brake.as_str());
    assert_eq!(failed.last().unwrap()["told_by"], "brake.tripped", "one alert");
}

async fn assert_let_go(world: &World, brake: Brake, paid: u64) {
    let report = run_without(world, &[brake]).await;
    assert_eq!((report.status.as_str(), report.paid, tripped(&report)), ("completed", paid, vec![]), "{report:?}");
    let told = world.told("brake.overridden").await;
    let last = told.last().unwrap();
    assert_eq!((last["by"].as_str(), last["reason"].as_str()), (Some("mina"), Some("a campaign ended")));
    assert_eq!(last["brakes"][0], brake.as_str());
    let row = &world.store.runs(1).await.unwrap()[0];
    assert_eq!(
        (row.figures["let_go"]["by"].as_str(), row.id.as_str()),
        (Some("mina"), last["run_id"].as_str().unwrap())
    );
}

async fn more_charges_than_a_run_may_make_are_held_whole(on: On) {
    let world = world(on, &[("brakes.charges_max", "5")], 6).await;
    assert_held(&world, &world.run().await, Brake::Charges, 6).await;
    // Another brake's name lets nothing go.
    assert_eq!(tripped(&run_without(&world, &[Brake::Sum, Brake::Growth]).await), [Brake::Charges]);
    assert_let_go(&world, Brake::Charges, 6).await;
    assert_eq!(world.simulator.model().ledger().charges().len(), 6);
}

async fn a_sum_that_is_too_large_is_held(on: On) {
    let world = world(on, &[("brakes.sums_max", "109999 KRW, 1 USD")], 2).await;
    let report = world.run().await;
    assert!(report.problem.as_ref().unwrap().contains("110,000 KRW is due, and one run may take 109,999 KRW"));
    assert_held(&world, &report, Brake::Sum, 2).await;
    assert_let_go(&world, Brake::Sum, 2).await;
}

/// Runs of earlier dates, each with so many planned.
async fn history(world: &World, days: &[(&str, u64)]) {
    for (date, planned) in days {
        let (id, now) = (RunId(world.app.chance.id(world.app.clock.now())), world.store.now().await.unwrap());
        let business_date: NaiveDate = date.parse().unwrap();
        let run = NewRun {
            id,
            trigger: "test".to_owned(),
            business_date,
            zone: "Asia/Seoul".to_owned(),
            actor: "test".to_owned(),
            started_at: now,
        };
        world.store.open_run(&run).await.unwrap();
        let closed = ClosedRun {
            id,
            status: "completed".to_owned(),
            figures: serde_json::json!({}),
            error: None,
            finished_at: now,
            events: Vec::new(),
            coverage: vec![Entry { planned: *planned, ..Entry::empty(business_date, id, true) }],
        };
        world.store.close_run(&closed).await.unwrap();
    }
}

/// Every date of the two weeks before 30 January, with so many planned on each Friday.
pub async fn fridays(world: &World, planned: u64, but: &[&str]) {
    for day in 16..30 {
        let date = format!("2026-01-{day}");
        if !but.contains(&date.as_str()) {
            history(world, &[(&date, if day % 7 == 2 { planned } else { 0 })]).await;
        }
    }
}

pub const GROWTH: [(&str, &str); 2] = [("brakes.growth_percent_max", "100"), ("brakes.growth_floor", "1")];

async fn what_grew_too_much_is_held_on_the_next_day_too(on: On) {
    let world = world(on, &GROWTH, 5).await;
    fridays(&world, 2, &[]).await;
    let report = world.run().await;
    let why = "5 subscriptions are due for the first time, 4 at most are taken for ordinary: the busiest comparable day, 2026-01-23, had 2";
    assert!(report.problem.as_ref().unwrap().contains(why), "{report:?}");
    assert_held(&world, &report, Brake::Growth, 5).await;
    // Nothing new is planned by the next run, nor on the next day; it is held all the same.
    assert_held(&world, &world.run_after(TimeDelta::minutes(15)).await, Brake::Growth, 5).await;
    assert_held(&world, &world.run_after(TimeDelta::days(1)).await, Brake::Growth, 5).await;
    assert_eq!(world.told("brake.tripped").await.len(), 2, "once a date, however many runs it holds");
    assert_let_go(&world, Brake::Growth, 5).await;
}

async fn growth_is_held_on_through_runs_that_ended_early_and_other_overrides(on: On) {
    let mut world = world(on, &GROWTH, 5).await;
    fridays(&world, 2, &[]).await;
    assert_eq!(tripped(&world.run().await), [Brake::Growth]);
    let named: Vec<String> = (0..3).map(|number| format!("sub-{number}")).collect();
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    assert_eq!(world.try_run(&named).await.unwrap().paid, 3, "somebody named whom to charge");
    // Two are left, which is ordinary; but nobody has looked at them.
    let lists = Arc::clone(&world.engine.gateway);
    world.engine.gateway = Arc::new(Told { listings: AtomicU32::new(0), ..Told::by(&lists) });
    assert_eq!(tripped(&world.run().await), [Brake::Comparison, Brake::Growth]);
    world.engine.gateway = lists;
    let shutdown = Shutdown::new(Duration::from_secs(8));
    shutdown.request();
    let stopped = world.engine.run(&RunRequest::default(), &shutdown).await.unwrap();
    assert_eq!((stopped.status.as_str(), tripped(&stopped), stopped.held_channels), ("interrupted", vec![], None));
    assert_eq!(tripped(&run_without(&world, &[Brake::Comparison]).await), [Brake::Growth], "another brake's name");
    assert_held_on(&world).await;
    assert_let_go(&world, Brake::Growth, 2).await;
}

async fn assert_held_on(world: &World) {
    let report = world.run_after(TimeDelta::minutes(15)).await;
    assert_eq!((tripped(&report), report.paid, report.left_due), (vec![Brake::Growth], 0, 2));
}

async fn a_day_of_waiting_makes_no_growth_ordinary(on: On) {
    let world = world(on, &GROWTH, 5).await;
    for day in 16..30 {
        history(&world, &[(&format!("2026-01-{day}"), 2)]).await;
    }
    assert_held(&world, &world.run().await, Brake::Growth, 5).await;
    world.clock.pass(TimeDelta::days(1));
    let plan = world.engine.preview(&RunRequest::default(), &mut |_| ()).await.unwrap();
    let next = world.run().await;
    assert_eq!(plan.brakes, next.brakes, "the dry run says what the run does");
    assert!(
        next.problem.as_ref().unwrap().contains("5 subscriptions are due for the first time, 4 at most"),
        "{next:?}"
    );
    assert_held(&world, &next, Brake::Growth, 5).await;
}

async fn growth_of_a_small_business_is_none(on: On) {
    let world = world(on, &[("brakes.growth_percent_max", "100"), ("brakes.growth_floor", "5")], 5).await;
    fridays(&world, 1, &[]).await;
    assert_eq!(world.run().await.paid, 5);
}

async fn a_missed_day_is_no_growth(on: On) {
    let world = world(on, &GROWTH, 5).await;
    fridays(&world, 2, &["2026-01-29"]).await;
    let report = world.run().await;
    assert_eq!((report.status.as_str(), report.paid, report.caught_up.len()), ("completed", 5, 1));
}

const DECLINES: [(&str, &str); 2] = [("brakes.declines_answers_min", "5"), ("brakes.declines_percent_max", "50")];

async fn a_channel_that_declines_too_many_stops_alone(on: On) {
    let world = world(on, &DECLINES, 0).await;
    for number in 0..20 {
        world.subscribe(&format!("sub-{number}"), &format!("bk-{number}-insufficient")).await;
    }
    for number in 0..6 {
        let (id, billing_key) = (format!("other-{number}"), format!("bk-other-{number}"));
        world.subscribe(&id, &billing_key).await;
        let line = key(&id, &billing_key).replace('}', r#","channel_key":"channel-2"}"#);
        world.import(&line).await;
    }
    let report = world.run().await;
    assert_eq!((report.status.as_str(), report.paid), ("failed", 6), "the other channel goes on: {report:?}");
    assert_eq!((tripped(&report), report.brakes[0].channel.as_deref()), (vec![Brake::Declines], Some("default")));
    assert!(report.problem.as_ref().unwrap().contains("charging stopped on default"), "{report:?}");
    assert!((5..=7).contains(&report.declined), "those under way when it tripped are settled: {report:?}");
    assert_eq!(report.declined + report.left_due, 20, "and the rest is due");
    assert_eq!((world.told("brake.tripped").await.len(), report.told_by), (1, Some("brake.tripped")));
    let again = run_without(&world, &[Brake::Declines]).await;
    assert_eq!((again.status.as_str(), again.declined), ("completed", report.left_due));
}

async fn the_days_retries_leave_a_held_channel_alone(on: On) {
    let world = world(on, &DECLINES, 0).await;
    for number in 0..30 {
        world.subscribe(&format!("sub-{number:02}"), &format!("bk-{number}-insufficient")).await;
    }
    let first = world.run().await;
    assert_eq!(tripped(&first), [Brake::Declines]);
    world.subscribe("other", "bk-other").await;
    world.import(&key("other", "bk-other").replace('}', r#","channel_key":"channel-2"}"#)).await;
    assert_eq!(world.try_run(&["other"]).await.unwrap().paid, 1, "a run of other subscriptions releases nothing");
    for _ in 0..3 {
        // Runs that settle what messages told charge nobody, and may be many.
        for _ in 0..60 {
            history(&world, &[("2026-01-30", 0)]).await;
        }
        world.clock.pass(TimeDelta::minutes(15));
        let request = RunRequest { trigger: "retries".to_owned(), scope: Scope::Planned, ..RunRequest::default() };
        let retries = world.run_as(request).await.unwrap();
        assert_eq!((retries.declined, retries.left_due, tripped(&retries)), (0, first.left_due, vec![Brake::Declines]));
    }
    assert_eq!(world.told("brake.tripped").await.len(), 1);
    world.clock.pass(TimeDelta::hours(3));
    assert!(world.run().await.declined > 0, "a whole run tries again");
}

async fn retries_that_are_declined_again_stop_nothing(on: On) {
    let world = world(on, &[DECLINES[0], ("brakes.declines_percent_max", "99")], 0).await;
    for number in 0..8 {
        world.subscribe(&format!("sub-{number}"), &format!("bk-{number}-insufficient")).await;
    }
    let report = run_without(&world, &[Brake::Declines]).await;
    assert_eq!(report.declined, 8);
    let retried = world.run_after(TimeDelta::days(1)).await;
    assert_eq!((retried.status.as_str(), retried.declined, tripped(&retried)), ("completed", 8, vec![]), "{retried:?}");
}

async fn what_becomes_due_on_the_way_is_held_too(on: On) {
    let mut world = world(on, &[("brakes.charges_max", "3")], 0).await;
    for number in 0..3 {
        world.subscribe(&format!("early-{number}"), &format!("bk-early-{number}-insufficient-once")).await;
    }
    assert_eq!(world.run().await.declined, 3);
    for number in 0..3 {
        world.subscribe(&format!("sub-{number}"), &format!("bk-{number}")).await;
    }
    // Five seconds before the retries are due: they are not when the run plans, and are when the first is paid.
    let (clock, passed) = (world.clock.clone(), AtomicBool::new(false));
    let pass = move |payment: &mut renewd::domain::payment::Payment| {
        if payment.status == PaymentStatus::Paid && !passed.swap(true, Ordering::SeqCst) {
            clock.pass(TimeDelta::seconds(10));
        }
    };
    world.engine.gateway = Arc::new(Told { payment: Box::new(pass), ..Told::by(&world.engine.gateway) });
    let report = world.run_after(TimeDelta::days(1) - TimeDelta::seconds(5)).await;
    assert_eq!((report.paid, report.left_due, tripped(&report)), (3, 3, vec![Brake::Charges]), "{report:?}");
    assert_eq!(report.status, "failed");
    assert_eq!(world.run_after(TimeDelta::minutes(1)).await.paid, 3, "as many as one run may make");
}

async fn a_limited_run_has_only_its_own_charges_ahead_of_it(on: On) {
    let world = world(on, &[("brakes.charges_max", "4"), ("brakes.sums_max", "100000 KRW")], 6).await;
    let limited = |max| RunRequest { trigger: "test".to_owned(), charges_max: Some(max), ..RunRequest::default() };
    let report = world.run_as(limited(1)).await.unwrap();
    assert_eq!((report.status.as_str(), report.paid, report.left_due), ("completed", 1, 5));
    // Which ones it would charge nobody knows before; their sum is held on the way, to within one claim.
    let report = world.run_as(limited(4)).await.unwrap();
    assert_eq!((tripped(&report), report.paid), (vec![Brake::Sum], 2), "{report:?}");
    assert_eq!(world.run_as(limited(9)).await.unwrap().brakes.len(), 1, "all that is left is 165,000 won");
}

async fn a_person_can_go_on_without_the_comparison(on: On) {
    let mut world = world(on, &[], 2).await;
    let lists = Arc::clone(&world.engine.gateway);
    world.engine.gateway = Arc::new(Told { listings: AtomicU32::new(0), ..Told::by(&lists) });
    let report = world.run().await;
    assert_eq!((report.status.as_str(), tripped(&report), report.left_due), ("failed", vec![Brake::Comparison], 2));
    assert_let_go(&world, Brake::Comparison, 2).await;
    assert!(!world.store.runs(1).await.unwrap()[0].figures["compared"].as_bool().unwrap(), "it did not compare");
    world.engine.gateway = lists;
    assert!(world.run_after(TimeDelta::minutes(1)).await.compared, "and the next one does, from further back");
}

async fn a_run_that_was_let_go_says_so_even_if_nothing_tripped(on: On) {
    let world = world(on, &[], 1).await;
    assert_let_go(&world, Brake::Growth, 1).await;
    assert_eq!(world.told("brake.tripped").await, Vec::<serde_json::Value>::new());
}
