//! `retry`: charged now by a person's word, by the steps of every run, and never where that would be wrong.

use super::{SUB, actions, hand, no_hurry, refused, state, taken};
use crate::told::{Gate, Told};
use crate::world::{On, World, instant};
use chrono::TimeDelta;
use renewd::domain::charge::BillingKey;
use renewd::engine::by_hand::{ByHandError, NewKey, Retried, RetryCommand};
use renewd::engine::control;
use renewd::gateway::simulator::{Route, Rule, Trouble, When};
use std::sync::Arc;

crate::on_both_databases! {
    a_declined_renewal_is_charged_now_whatever_its_ladder_says,
    another_decline_goes_on_with_the_ladder,
    a_lapsed_and_a_failed_renewal_are_charged_though_the_subscription_was_downgraded,
    a_new_card_is_stored_and_charged,
    the_newest_usable_card_is_charged,
    paid_cancelled_unknown_and_reviewed_are_refused,
    the_kill_switch_and_the_night_hold_people_too,
    the_evening_is_a_persons_choice,
    fifteen_in_thirty_days_is_the_end_by_hand_too,
    a_retry_while_a_run_charges_the_same_renewal_charges_once,
    two_retries_at_once_charge_once,
    money_that_turned_up_late_is_found_before_anything_is_charged,
    what_could_not_be_sent_is_told_and_stays_due,
    who_is_unknown_is_told,
    a_command_is_forgotten_after_its_hour,
}

async fn retry(world: &World, id: &str) -> Result<Retried, ByHandError> {
    retry_with(world, id, None).await
}

async fn retry_with(world: &World, id: &str, key: Option<&str>) -> Result<Retried, ByHandError> {
    let new_key = key.map(|key| NewKey { key: BillingKey::new(key), channel_key: None, pg_provider: None });
    world.engine.retry(&RetryCommand { id: id.to_owned(), new_key, hand: hand() }, &no_hurry()).await
}

/// Declined once for want of money: the ladder tries again tomorrow.
async fn declined(on: On) -> World {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.simulator.model().add_rule(insufficient().times(1));
    assert_eq!(world.run().await.declined, 1);
    world
}

fn insufficient() -> Rule {
    Rule::new(When::Always, Trouble::Decline { name: "insufficient".to_owned() }).on(Route::Charge)
}

async fn a_declined_renewal_is_charged_now_whatever_its_ladder_says(on: On) {
    let world = declined(on).await;
    world.clock.pass(TimeDelta::minutes(5));
    let retried = retry(&world, SUB).await.unwrap();
    assert_eq!((retried.renewal.state.as_str(), retried.attempts.len(), retried.run.paid), ("paid", 1, 1));
    assert_eq!((taken(&world), world.period_end(SUB).await), (vec![55_000], instant("2026-02-28T00:00:00+09:00")));
    let done = actions(&world).await;
    assert_eq!((done.len(), done[0].kind.as_str(), done[0].actor.as_str()), (1, "retry", "haneul"));
    assert_eq!(done[0].reason.as_deref(), Some("the customer called"));
    assert_eq!(retried.run.trigger, "retry");
    // By the renewal's id and the payment's too, in the same words.
    for id in [retried.renewal.id.as_str(), retried.renewal.payment_id.as_str(), SUB] {
        assert!(refused(retry(&world, id).await).contains("is paid"));
    }
    assert_eq!(actions(&world).await.len(), 1, "a refusal did nothing");
}

async fn another_decline_goes_on_with_the_ladder(on: On) {
    let world = declined(on).await;
    world.simulator.model().add_rule(insufficient().times(1));
    world.clock.pass(TimeDelta::hours(3));
    let retried = retry(&world, SUB).await.unwrap();
    assert_eq!((retried.renewal.state.as_str(), retried.renewal.decline_count), ("due", 2));
    assert_eq!(retried.renewal.next_attempt_at, Some(instant("2026-01-31T10:00:00+09:00")));
    assert_eq!(retried.attempts[0].decline_reason.as_deref(), Some("insufficient_funds"));
    assert!(taken(&world).is_empty());
}

async fn a_lapsed_and_a_failed_renewal_are_charged_though_the_subscription_was_downgraded(on: On) {
    for is_declined in [false, true] {
        let world = if is_declined { declined(on).await } else { World::new(on).await };
        if is_declined {
            world.simulator.model().add_rule(insufficient());
        } else {
            world.subscribe(SUB, "bk").await;
        }
        // A week in which nobody ran: what was declined is failed, what was never tried is lapsed.
        world.run_after(TimeDelta::days(10)).await;
        world.run_after(TimeDelta::hours(1)).await;
        assert_eq!(state(&world).await, if is_declined { "failed" } else { "lapsed" });
        assert_eq!(world.timeline(SUB).await.subscription.status, "downgraded");
        world.simulator.model().clear_rules();
        let retried = retry(&world, SUB).await.unwrap();
        assert_eq!((retried.renewal.state.as_str(), taken(&world)), ("paid", vec![55_000]), "{retried:?}");
        let access = world.timeline(SUB).await.subscription;
        assert_eq!((access.status.as_str(), access.tier.as_str()), ("active", "pro"));
        assert_eq!(access.current_period_end, instant("2026-02-28T00:00:00+09:00"), "from where it ended");
    }
}

async fn a_new_card_is_stored_and_charged(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-lost").await;
    world.run().await;
    assert!(world.renewal(SUB).await.waits_for_key);
    assert!(refused(retry(&world, SUB).await).contains("no billing key that can be charged"));
    assert!(refused(retry_with(&world, SUB, Some("bk-lost")).await).contains("refused for good"));
    world.clock.pass(TimeDelta::minutes(5));
    let retried = retry_with(&world, SUB, Some("bk-fresh")).await.unwrap();
    assert_eq!((retried.renewal.state.as_str(), taken(&world)), ("paid", vec![55_000]));
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.keys.len(), timeline.keys[0].state.as_str()), (2, "usable"));
    assert_eq!(retried.attempts[0].billing_key_id, timeline.keys[0].id);
    let written = serde_json::to_string(&timeline).unwrap() + &serde_json::to_string(&retried).unwrap();
    assert!(!written.contains("bk-fresh"), "the key is nowhere to be read");
}

async fn the_newest_usable_card_is_charged(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-lost").await;
    world.run().await;
    world.clock.pass(TimeDelta::minutes(1));
    world.import(&crate::world::key(SUB, "bk-other")).await;
    let retried = retry(&world, SUB).await.unwrap();
    assert_eq!((retried.renewal.state.as_str(), retried.attempts[0].number), ("paid", 2));
    assert_eq!(retried.attempts[0].billing_key_id, world.timeline(SUB).await.keys[0].id);
}

async fn paid_cancelled_unknown_and_reviewed_are_refused(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-pending").await;
    assert_eq!(world.run().await.unknown, 1);
    let said = refused(retry(&world, SUB).await);
    assert!(said.contains("not known yet") && said.contains("only looked up"), "{said}");

    let world = declined(on).await;
    world.cancel(SUB).await;
    let said = refused(retry(&world, SUB).await);
    assert!(said.contains("cancelled by the customer") && said.contains("cancel_at_period_end"), "{said}");
    world.run().await;
    assert_eq!(state(&world).await, "canceled");
    assert!(refused(retry(&world, SUB).await).contains("cancelled by the customer"));

    let world = World::new(on).await;
    world.subscribe(SUB, "bk-squatted").await;
    assert_eq!(world.run().await.review, 1);
    let said = refused(retry(&world, SUB).await);
    assert!(said.contains("under review") && said.contains("renewd resolve"), "{said}");
    assert!(world.charges(SUB).is_empty() && actions(&world).await.is_empty());
}

async fn the_kill_switch_and_the_night_hold_people_too(on: On) {
    let world = declined(on).await;
    let new_id = || world.app.chance.id(instant(crate::world::MORNING));
    control::pause(&*world.store, &new_id, &hand()).await.unwrap();
    let said = refused(retry(&world, SUB).await);
    assert!(said.contains("charging is paused by haneul") && said.contains("renewd resume"), "{said}");
    control::resume(&*world.store, &new_id, &hand()).await.unwrap();
    world.clock.pass(TimeDelta::hours(13) + TimeDelta::minutes(30));
    let said = refused(retry(&world, SUB).await);
    assert!(said.contains("23:30") && said.contains("quiet hours 23:00-01:00"), "{said}");
    assert!(taken(&world).is_empty());
    let kinds: Vec<String> = world.store.actions(9).await.unwrap().into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["resume", "pause"]);
}

async fn the_evening_is_a_persons_choice(on: On) {
    let world = declined(on).await;
    world.clock.pass(TimeDelta::hours(12));
    assert_eq!(world.run().await.paid, 0, "no run charges at ten in the evening");
    assert_eq!(retry(&world, SUB).await.unwrap().renewal.state, "paid");
}

async fn fifteen_in_thirty_days_is_the_end_by_hand_too(on: On) {
    let world = World::with(on, &[("dunning.attempts_max", "3")]).await;
    world.subscribe(SUB, "bk").await;
    world.simulator.model().add_rule(insufficient());
    world.run().await;
    for _ in 0..2 {
        world.clock.pass(TimeDelta::minutes(40));
        assert_eq!(retry(&world, SUB).await.unwrap().attempts.len(), 1);
    }
    world.clock.pass(TimeDelta::minutes(40));
    let said = refused(retry(&world, SUB).await);
    assert!(said.contains("3 times in 30 days") && said.contains("2026-03-01"), "{said}");
    assert_eq!(world.attempts(SUB).await.len(), 3);
}

async fn a_retry_while_a_run_charges_the_same_renewal_charges_once(on: On) {
    let mut world = declined(on).await;
    world.clock.pass(TimeDelta::days(1));
    let gate = Gate::closed();
    world.engine.gateway = Arc::new(Told { charged: Some(gate.clone()), ..Told::by(&world.engine.gateway) });
    let (report, said) = tokio::join!(world.run(), async {
        while world.simulator.model().ledger().requests(Route::Charge) < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let said = refused(retry(&world, SUB).await);
        gate.open();
        said
    });
    assert_eq!((report.paid, taken(&world)), (1, vec![55_000]));
    assert!(said.contains("is being charged now"), "{said}");
}

async fn two_retries_at_once_charge_once(on: On) {
    let world = declined(on).await;
    world.clock.pass(TimeDelta::minutes(5));
    let (one, other) = tokio::join!(retry(&world, SUB), retry(&world, SUB));
    let went = [&one, &other].iter().filter(|result| result.is_ok()).count();
    assert!(went >= 1, "{one:?} {other:?}");
    assert_eq!((taken(&world), world.attempts(SUB).await.len()), (vec![55_000], 2));
    assert_eq!(actions(&world).await.len(), went, "who was refused did nothing");
}

async fn money_that_turned_up_late_is_found_before_anything_is_charged(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::LateApproval { secs: 7200 }).times(1));
    assert_eq!(world.run().await.declined, 1);
    world.clock.pass(TimeDelta::hours(3));
    let retried = retry(&world, SUB).await.unwrap();
    assert_eq!((retried.renewal.state.as_str(), retried.attempts.len()), ("paid", 0), "{retried:?}");
    assert_eq!(world.simulator.model().ledger().requests(Route::Charge), 1, "asked for once");
}

async fn what_could_not_be_sent_is_told_and_stays_due(on: On) {
    let world = declined(on).await;
    world.clock.pass(TimeDelta::minutes(5));
    world.rule(When::Always, Trouble::Unauthorized);
    let retried = retry(&world, SUB).await.unwrap();
    assert!(retried.run.problem.is_some());
    assert_eq!((retried.renewal.state.as_str(), taken(&world).len()), ("due", 0));
    world.simulator.model().clear_rules();
    assert_eq!(world.run().await.paid, 1, "the command stands for the next run");
}

async fn who_is_unknown_is_told(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    assert!(matches!(retry(&world, "nobody").await, Err(ByHandError::NotFound(id)) if id == "nobody"));
    let said = refused(retry(&world, SUB).await);
    assert!(said.contains("has no renewal yet") && said.contains("renewd show"), "{said}");
}

async fn a_command_is_forgotten_after_its_hour(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.run_after(TimeDelta::days(10)).await;
    assert_eq!(state(&world).await, "lapsed");
    world.rule(When::Always, Trouble::Unauthorized);
    assert_eq!(retry(&world, SUB).await.unwrap().renewal.state, "due");
    world.simulator.model().clear_rules();
    world.run_after(TimeDelta::minutes(61)).await;
    assert_eq!((state(&world).await.as_str(), taken(&world).len()), ("lapsed", 0), "nobody is charged by surprise");
}
