//! A customer who cancelled is never charged; one who cancelled too late is told apart.

use crate::world::{On, World, instant};
use chrono::TimeDelta;
use renewd::gateway::simulator::{Rule, Trouble, When};

crate::on_both_databases! {
    cancelled_before_the_plan_is_never_charged,
    cancelled_between_plan_and_claim_is_never_charged,
    cancelling_ends_the_ladder,
    a_change_of_mind_renews_after_all,
    who_cancels_again_is_told_again,
    cancelled_while_charged_is_paid_and_says_so,
    cancelled_while_never_received_is_not_sent_again,
    a_key_that_is_missing_waits_and_then_ends,
    a_night_that_was_missed_is_caught_up,
    a_period_that_is_long_past_is_not_charged_by_surprise,
}

const SUB: &str = "sub";

async fn world(on: On, billing_key: &str) -> World {
    let world = World::new(on).await;
    world.subscribe(SUB, billing_key).await;
    world
}

async fn cancelled_before_the_plan_is_never_charged(on: On) {
    let world = world(on, "bk").await;
    world.cancel(SUB).await;
    let report = world.run().await;
    assert_eq!((report.due, report.canceled, report.downgraded), (0, 1, 0));
    assert_eq!(world.timeline(SUB).await.subscription.tier, "pro", "it was paid for until its end");
    let report = world.run_after(TimeDelta::hours(24)).await;
    assert_eq!(report.downgraded, 1);
    let subscription = world.timeline(SUB).await.subscription;
    assert_eq!((subscription.tier.as_str(), subscription.status.as_str()), ("free", "downgraded"));
    assert_eq!(world.simulator.model().ledger().requests(renewd::gateway::simulator::Route::Charge), 0);
}

async fn cancelled_between_plan_and_claim_is_never_charged(on: On) {
    let world = world(on, "bk").await;
    // Planned in the evening, when nothing is sent.
    world.run_after(TimeDelta::hours(12)).await;
    assert_eq!(world.renewal(SUB).await.state, "due");
    world.cancel(SUB).await;
    let report = world.run_after(TimeDelta::hours(12)).await;
    assert_eq!((report.canceled, report.paid), (1, 0));
    assert!(world.charges(SUB).is_empty());
}

async fn cancelling_ends_the_ladder(on: On) {
    let world = world(on, "bk-insufficient-once").await;
    world.run().await;
    world.cancel(SUB).await;
    let report = world.run_after(TimeDelta::days(1)).await;
    assert_eq!((report.canceled, report.downgraded), (1, 1));
    assert_eq!((world.renewal(SUB).await.state.as_str(), world.charges(SUB).len()), ("canceled", 0));
}

async fn a_change_of_mind_renews_after_all(on: On) {
    let world = world(on, "bk").await;
    world.cancel(SUB).await;
    world.run().await;
    assert_eq!(world.renewal(SUB).await.state, "canceled");
    world.subscribe(SUB, "bk").await;
    assert_eq!(world.run_after(TimeDelta::hours(1)).await.paid, 1);
    assert_eq!(world.charges(SUB).len(), 1);
}

async fn cancelled_while_charged_is_paid_and_says_so(on: On) {
    let world = world(on, "bk-pending").await;
    world.run().await;
    world.cancel(SUB).await;
    assert_eq!(world.run_after(TimeDelta::hours(2)).await.paid, 1);
    assert!(world.renewal(SUB).await.canceled_during_charge);
}

async fn cancelled_while_never_received_is_not_sent_again(on: On) {
    let world = world(on, "bk").await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::RequestLost));
    assert_eq!(world.run().await.unknown, 1);
    world.simulator.model().clear_rules();
    world.cancel(SUB).await;
    world.run_after(TimeDelta::minutes(20)).await;
    assert_eq!(world.renewal(SUB).await.state, "canceled");
    assert_eq!(world.attempts(SUB).await[0].state, "not_charged");
    assert!(world.charges(SUB).is_empty());
}

async fn a_key_that_is_missing_waits_and_then_ends(on: On) {
    let world = world(on, "bk-lost").await;
    world.run().await;
    let access_until = world.timeline(SUB).await.subscription.access_until;
    assert_eq!(access_until, instant("2026-02-07T00:00:00+09:00"), "seven days of grace");
    assert_eq!(world.run_after(TimeDelta::days(1)).await.past_due, 1);
    assert_eq!(world.timeline(SUB).await.subscription.status, "past_due");
    let report = world.run_after(TimeDelta::days(8)).await;
    assert_eq!((report.failed, report.downgraded), (1, 1));
}

async fn a_night_that_was_missed_is_caught_up(on: On) {
    let world = world(on, "bk").await;
    assert_eq!(world.run_after(TimeDelta::days(2)).await.paid, 1);
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"));
}

async fn a_period_that_is_long_past_is_not_charged_by_surprise(on: On) {
    let world = world(on, "bk").await;
    let report = world.run_after(TimeDelta::days(5)).await;
    assert_eq!((report.lapsed, report.paid, report.downgraded), (1, 0, 1));
    assert!(world.charges(SUB).is_empty());
}

async fn who_cancels_again_is_told_again(on: On) {
    let world = world(on, "bk").await;
    world.cancel(SUB).await;
    // In the evening: what is resumed then waits for the morning.
    world.run_after(TimeDelta::hours(12)).await;
    world.subscribe(SUB, "bk").await;
    world.run_after(TimeDelta::minutes(5)).await;
    assert_eq!(world.renewal(SUB).await.state, "due");
    world.cancel(SUB).await;
    for _ in 0..2 {
        world.run_after(TimeDelta::minutes(5)).await;
    }
    assert_eq!((world.renewal(SUB).await.state.as_str(), world.told("renewal.canceled").await.len()), ("canceled", 2));
}
