//! Between the runs of ten and two o'clock: what the daemon's smaller jobs do, and what they leave alone.

use crate::world::{On, World, key};
use chrono::TimeDelta;
use renewd::engine::report::RunReport;
use renewd::engine::run::{RunRequest, Scope};
use renewd::engine::ticks::AccessChanges;
use renewd::gateway::simulator::{Trouble, When};
use renewd::shutdown::Shutdown;
use std::time::Duration;

crate::on_both_databases! {
    a_retry_begins_no_new_renewal_and_charges_what_was_planned,
    an_outcome_that_is_unknown_is_work_when_its_look_up_is_due,
    a_new_card_is_work_at_once,
    access_ends_between_runs_and_not_while_a_retry_may_come,
}

async fn retry(world: &World) -> RunReport {
    let request = RunRequest { trigger: "test".to_owned(), scope: Scope::Planned, ..RunRequest::default() };
    world.engine.run(&request, &Shutdown::new(Duration::from_secs(8))).await.unwrap()
}

async fn has_work(world: &World) -> bool {
    world.engine.has_planned_work().await.unwrap()
}

async fn a_retry_begins_no_new_renewal_and_charges_what_was_planned(on: On) {
    let world = World::new(on).await;
    world.subscribe("first", "bk-first-insufficient-once").await;
    assert!(!has_work(&world).await, "a subscription that is due is the next run's");
    assert_eq!((retry(&world).await.due, world.charges("first").len()), (0, 0));
    assert_eq!(world.run().await.declined, 1);
    world.subscribe("second", "bk-second").await;
    assert!(!has_work(&world).await, "its retry is a day away");
    world.clock.pass(TimeDelta::days(1));
    assert!(has_work(&world).await);
    let report = retry(&world).await;
    assert_eq!((report.paid, world.charges("second").len()), (1, 0));
    assert_eq!(world.renewal("first").await.state, "paid");
    assert!(!has_work(&world).await);
    assert_eq!(world.run().await.paid, 1);
}

async fn an_outcome_that_is_unknown_is_work_when_its_look_up_is_due(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    world.rule(When::Always, Trouble::Hidden);
    assert_eq!(world.run().await.unknown, 1);
    world.simulator.model().clear_rules();
    let look_up_at = world.renewal("sub").await.next_look_up_at.expect("a look-up");
    assert!(!has_work(&world).await);
    world.clock.pass(look_up_at - world.app.clock.now());
    assert!(has_work(&world).await);
    retry(&world).await;
    assert_eq!((world.renewal("sub").await.state.as_str(), world.charges("sub").len()), ("paid", 1));
}

async fn a_new_card_is_work_at_once(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk-lost").await;
    world.run().await;
    assert!(world.renewal("sub").await.waits_for_key && !has_work(&world).await);
    world.import(&key("sub", "bk-new")).await;
    assert!(has_work(&world).await);
    assert_eq!(retry(&world).await.paid, 1);
}

async fn access_ends_between_runs_and_not_while_a_retry_may_come(on: On) {
    let world = World::new(on).await;
    world.subscribe("stays", "bk-stays-lost").await;
    world.subscribe("leaves", "bk-leaves").await;
    world.cancel("leaves").await;
    world.run().await;
    let refresh = async || world.engine.refresh_access().await.unwrap();
    assert_eq!(refresh().await, AccessChanges::default(), "what was paid for is not over");
    world.clock.pass(TimeDelta::days(1));
    assert_eq!(refresh().await, AccessChanges { past_due: 1, downgraded: 1 });
    assert_eq!(refresh().await, AccessChanges::default(), "once");
    let standing = async |id| world.timeline(id).await.subscription;
    assert_eq!((standing("leaves").await.tier.as_str(), standing("stays").await.tier.as_str()), ("free", "pro"));
    assert_eq!(world.store.runs(10).await.unwrap().len(), 1, "it is no run");
    assert!(world.charges("leaves").is_empty());
}
