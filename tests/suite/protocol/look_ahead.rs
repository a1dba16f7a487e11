//! Looking ahead over real HTTP: who is announced, what is found out early, and that a gateway that fails costs no more
//! than that.

use crate::world::{On, World, instant, key};
use chrono::TimeDelta;
use renewd::app;
use renewd::engine::look_ahead::report::LookAheadReport;
use renewd::gateway::simulator::{KeyInfo, Route, Rule, Scheduled, Trouble, When};
use renewd::shutdown::Shutdown;
use renewd::store::{Paused, Switch};
use std::time::Duration;

crate::on_both_databases! {
    a_renewal_is_announced_once_and_again_when_its_price_rises,
    a_cancelled_one_is_not_announced_and_not_asked_about,
    a_key_that_is_gone_is_told_days_before_and_once,
    a_new_card_after_the_early_notice_is_charged_on_the_day,
    what_is_scheduled_at_the_gateway_goes_to_a_person_until_it_is_revoked,
    a_renewal_that_is_planned_already_is_held_by_a_schedule,
    schedules_are_not_asked_for_where_that_is_off,
    a_gateway_that_fails_costs_only_the_early_notice,
    many_keys_that_are_gone_are_our_mistake,
    nothing_is_told_while_a_backup_is_suspected,
    the_same_day_is_not_asked_twice,
}

const SUB: &str = "sub";

async fn look_with(world: &World, settings: &[(&'static str, &str)]) -> LookAheadReport {
    let config = crate::world::config_at(&world.app, &world.simulator.base_url(), settings);
    let request = app::look_ahead(&config, "test", "test");
    world.engine.look_ahead(&request, &Shutdown::new(Duration::from_secs(8))).await.unwrap()
}

async fn look(world: &World) -> LookAheadReport {
    look_with(world, &[]).await
}

/// On the morning of the day, so many days before the charge.
async fn world_before(on: On, days: i64, billing_key: &str) -> World {
    let world = World::new(on).await;
    world.clock.pass(-TimeDelta::days(days));
    world.subscribe(SUB, billing_key).await;
    world
}

async fn told(world: &World, kind: &str) -> usize {
    world.timeline(SUB).await.events.iter().filter(|event| event.kind == kind).count()
}

async fn set_price(world: &World, amount: i64) {
    world.import(&format!(r#"{{"type":"plan","id":"pro","name":"Pro","amount":{amount},"currency":"KRW","interval":"P1M","tier":"pro","fallback_tier":"free","order_name":"Pro"}}"#)).await;
}

async fn a_renewal_is_announced_once_and_again_when_its_price_rises(on: On) {
    let world = world_before(on, 7, "bk").await;
    assert_eq!(look(&world).await.announced, 0, "its period ends in eight days");
    world.clock.pass(TimeDelta::days(1));
    let report = look(&world).await;
    assert_eq!((report.status.as_str(), report.announced, report.asked), ("completed", 1, 0));
    assert_eq!(look(&world).await.announced, 0);
    set_price(&world, 44_000).await;
    assert_eq!(look(&world).await.announced, 0, "nobody minds a price that falls");
    set_price(&world, 66_000).await;
    let report = look(&world).await;
    assert_eq!((report.announced, report.announced_again), (1, 1));
    let events = world.timeline(SUB).await.events;
    let payload = &events.iter().rfind(|event| event.kind == "renewal.upcoming").unwrap().payload;
    assert_eq!((&payload["amount"], &payload["told_amount"]), (&66_000.into(), &55_000.into()));
    assert_eq!(told(&world, "renewal.upcoming").await, 2);
    world.clock.pass(TimeDelta::days(6));
    assert_eq!(world.run().await.paid, 1);
    set_price(&world, 77_000).await;
    assert_eq!(look(&world).await.announced, 0, "the next one is a month away");
}

async fn a_cancelled_one_is_not_announced_and_not_asked_about(on: On) {
    let world = world_before(on, 1, "bk-deleted").await;
    world.cancel(SUB).await;
    let report = look(&world).await;
    assert_eq!((report.announced, report.asked, report.findings.len()), (0, 0, 0));
    assert!(world.timeline(SUB).await.events.is_empty());
}

async fn a_key_that_is_gone_is_told_days_before_and_once(on: On) {
    let world = world_before(on, 2, "bk-deleted").await;
    let report = look(&world).await;
    assert_eq!((report.asked, report.gone, report.missing_told), (1, 1, 1));
    assert_eq!(world.timeline(SUB).await.subscription.billing_key_state, "unusable");
    world.clock.pass(TimeDelta::days(1));
    let report = look(&world).await;
    assert_eq!((report.none, report.missing_told), (1, 0));
    assert_eq!(told(&world, "billing_key.missing").await, 1);
    world.run_after(TimeDelta::days(1)).await;
    assert!(world.renewal(SUB).await.waits_for_key);
    assert_eq!(world.simulator.model().ledger().requests(Route::Charge), 0, "nothing was sent to find it out");
}

async fn a_new_card_after_the_early_notice_is_charged_on_the_day(on: On) {
    let world = world_before(on, 2, "bk-unknown-key").await;
    assert_eq!(look(&world).await.gone, 1);
    world.clock.pass(TimeDelta::hours(1));
    world.import(&key(SUB, "bk-new")).await;
    world.clock.pass(TimeDelta::days(1));
    assert_eq!(look(&world).await.issued, 1);
    assert_eq!(world.run_after(TimeDelta::days(1)).await.paid, 1);
}

fn scheduled(world: &World) -> Scheduled {
    let due_at = instant("2026-01-31T08:00:00+09:00");
    let scheduled = Scheduled { id: "schedule-1".to_owned(), billing_key: "bk".to_owned(), due_at };
    world.simulator.model().add_schedule(scheduled.clone());
    scheduled
}

async fn what_is_scheduled_at_the_gateway_goes_to_a_person_until_it_is_revoked(on: On) {
    let world = world_before(on, 2, "bk").await;
    world.subscribe("free", "bk-free").await;
    scheduled(&world);
    let report = look(&world).await;
    assert_eq!((report.scheduled, report.held, report.issued), (1, 0, 2));
    world.simulator.model().revoke_schedules("bk");
    world.clock.pass(TimeDelta::days(1));
    assert_eq!(look(&world).await.scheduled, 0, "revoked: forgotten");
    scheduled(&world);
    world.clock.pass(TimeDelta::hours(15));
    assert_eq!(look(&world).await.scheduled, 1, "another day");
    let report = world.run_after(TimeDelta::hours(9)).await;
    assert_eq!((report.paid, report.review), (1, 1));
    assert!(world.charges(SUB).is_empty());
    let reason = world.renewal(SUB).await.review_reason.unwrap();
    assert!(reason.contains("schedule-1") && reason.contains("revoke it"), "{reason}");
    assert_eq!(told(&world, "renewal.review").await, 1);
}

async fn schedules_are_not_asked_for_where_that_is_off(on: On) {
    let world = world_before(on, 1, "bk").await;
    scheduled(&world);
    let report = look_with(&world, &[("lookahead.schedules", "false")]).await;
    assert_eq!((report.issued, report.scheduled), (1, 0));
    assert_eq!(world.run_after(TimeDelta::days(1)).await.paid, 1);
}

async fn a_renewal_that_is_planned_already_is_held_by_a_schedule(on: On) {
    let world = world_before(on, 0, "bk").await;
    // Planned in the evening, when nothing is sent.
    world.run_after(TimeDelta::hours(12)).await;
    scheduled(&world);
    let report = look(&world).await;
    assert_eq!((report.scheduled, report.held), (1, 1));
    let renewal = world.renewal(SUB).await;
    assert_eq!((renewal.state.as_str(), renewal.next_attempt_at), ("review", None));
    world.run_after(TimeDelta::hours(12)).await;
    assert!(world.charges(SUB).is_empty());
}

async fn a_gateway_that_fails_costs_only_the_early_notice(on: On) {
    let world = world_before(on, 2, "bk").await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::RequestLost).on(Route::BillingKey));
    let report = look(&world).await;
    assert_eq!((report.status.as_str(), report.announced, report.unanswered), ("completed", 1, 1));
    assert!(report.problem.is_none() && report.findings.is_empty());
    world.simulator.model().clear_rules();
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Unauthorized).on(Route::BillingKey));
    let report = look(&world).await;
    assert_eq!(report.status, "failed");
    assert!(report.problem.unwrap().contains("credentials"));
    world.simulator.model().clear_rules();
    assert_eq!(world.run_after(TimeDelta::days(2)).await.paid, 1);
}

async fn many_keys_that_are_gone_are_our_mistake(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    let others: Vec<String> = (0..20).map(|number| format!("other-{number:02}")).collect();
    for other in &others {
        world.subscribe(other, &format!("bk-{other}")).await;
        world.simulator.model().set_key(&format!("bk-{other}"), KeyInfo { deleted: true, ..KeyInfo::default() });
    }
    let report = look(&world).await;
    assert_eq!((report.status.as_str(), report.gone, report.missing_told), ("failed", 0, 0));
    assert!(report.problem.unwrap().contains("another store's secret"));
    for other in &others {
        let subscription = world.timeline(other).await.subscription;
        assert_eq!(subscription.billing_key_state, "usable", "{other}: nothing was believed");
    }
    world.simulator.model().set_key("bk-other-07", KeyInfo::default());
    let report = look(&world).await;
    assert_eq!((report.status.as_str(), report.gone), ("completed", 19), "one that is there makes the others credible");
}

async fn nothing_is_told_while_a_backup_is_suspected(on: On) {
    let world = world_before(on, 2, "bk").await;
    let paused = |by: &str, reason: &str| Switch {
        paused: Some(Paused { at: instant(crate::world::MORNING), by: by.to_owned(), reason: reason.to_owned() }),
    };
    world.store.set_switch(&paused("renewd", "restore_suspected: the gateway took money")).await.unwrap();
    let report = look(&world).await;
    assert_eq!((report.status.as_str(), report.announced), ("failed", 0));
    // Whoever works as the user renewd pauses by that name.
    world.store.set_switch(&paused("renewd", "prices")).await.unwrap();
    assert_eq!(look(&world).await.announced, 1, "the kill switch holds charges, not notices");
}

async fn the_same_day_is_not_asked_twice(on: On) {
    let world = world_before(on, 2, "bk").await;
    assert_eq!(look(&world).await.asked, 1);
    assert_eq!(look(&world).await.asked, 0);
    world.clock.pass(TimeDelta::days(1));
    assert_eq!(look(&world).await.asked, 1);
    assert_eq!(world.simulator.model().ledger().requests(Route::BillingKey), 2);
}
