//! Money that turns up after its renewal ended.

use crate::world::{On, World, instant};
use chrono::TimeDelta;
use renewd::gateway::simulator::{Rule, Trouble, When};

crate::on_both_databases! {
    money_that_turns_up_after_the_end_buys_the_period,
    money_that_turns_up_after_a_cancellation_goes_to_a_person,
    a_canceled_renewal_that_was_never_sent_is_not_looked_up,
}

const SUB: &str = "sub";

/// FAILED now, PAID two hours later.
fn late_approval() -> Rule {
    Rule::new(When::Always, Trouble::LateApproval { secs: 7200 })
}

async fn money_that_turns_up_after_the_end_buys_the_period(on: On) {
    let world = World::with(on, &[("dunning.grace", "1day")]).await;
    world.subscribe(SUB, "bk").await;
    world.simulator.model().add_rule(late_approval());
    world.clock.pass(TimeDelta::days(1));
    assert_eq!(world.run().await.failed, 1, "the next rung is after the grace");
    assert_eq!((world.renewal(SUB).await.state.as_str(), world.charges(SUB).len()), ("failed", 0));

    world.run_after(TimeDelta::minutes(61)).await;
    assert_eq!(world.renewal(SUB).await.state, "failed", "looked up, and still failed");
    let report = world.run_after(TimeDelta::hours(6)).await;
    assert_eq!((report.paid, report.amounts["KRW"]), (1, 55_000));
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.renewals[0].state.as_str(), world.charges(SUB).len()), ("paid", 1));
    assert_eq!(timeline.subscription.current_period_end, instant("2026-02-28T00:00:00+09:00"));
    assert_eq!((timeline.subscription.status.as_str(), timeline.subscription.tier.as_str()), ("active", "pro"));
}

async fn money_that_turns_up_after_a_cancellation_goes_to_a_person(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.simulator.model().add_rule(late_approval());
    assert_eq!(world.run().await.declined, 1);
    world.cancel(SUB).await;
    assert_eq!(world.run_after(TimeDelta::minutes(30)).await.canceled, 1);
    let report = world.run_after(TimeDelta::hours(4)).await;
    assert_eq!((report.paid, report.review), (0, 1));
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.renewals[0].state.as_str(), timeline.payments.len()), ("review", 1), "recorded, not extended");
    assert_eq!(timeline.subscription.current_period_end, instant("2026-01-31T00:00:00+09:00"));
}

/// Otherwise those that were never sent would stand before those that were, for ever.
async fn a_canceled_renewal_that_was_never_sent_is_not_looked_up(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.run_after(TimeDelta::hours(12)).await;
    world.cancel(SUB).await;
    world.run_after(TimeDelta::hours(12)).await;
    assert_eq!(world.renewal(SUB).await.state, "canceled");
    world.clock.pass(TimeDelta::days(1));
    assert!(world.store.late_facts(10).await.unwrap().is_empty());
}
