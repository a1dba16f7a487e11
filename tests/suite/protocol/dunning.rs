//! Dunning over real HTTP: when a declined card is tried again, when it is not, and that nobody is cut off before.

use crate::world::{On, World, instant, key};
use chrono::TimeDelta;
use renewd::gateway::simulator::Route;

crate::on_both_databases! {
    an_empty_account_is_asked_again_on_the_pay_day,
    two_subscriptions_with_one_card_are_charged_one_after_the_other,
    a_card_that_said_no_is_not_asked_again_that_day_for_another_subscription,
    a_card_that_is_gone_is_found_out_once,
    a_new_card_is_tried_at_once,
    a_first_card_that_comes_after_days_is_charged_while_access_lasts,
    a_card_that_said_no_today_rests_though_the_one_after_it_is_gone,
    a_new_card_on_the_last_evening_keeps_the_access_until_the_morning,
    no_more_attempts_than_are_allowed_whatever_cards_come,
    nobody_is_cut_off_before_the_last_retry,
}

const SUB: &str = "sub";

/// A second subscription of the customer of `first`, on the same card.
async fn subscribe_too(world: &World, id: &str, first: &str) {
    let line = format!(
        r#"{{"type":"subscription","id":"{id}","customer":"user-{first}","plan":"pro","current_period_start":"2025-12-31T00:00:00+09:00","current_period_end":"2026-01-31T00:00:00+09:00","anchor_day":31}}"#
    );
    world.import(&line).await;
}

async fn attempts(world: &World, ids: [&str; 2]) -> [usize; 2] {
    [world.attempts(ids[0]).await.len(), world.attempts(ids[1]).await.len()]
}

async fn an_empty_account_is_asked_again_on_the_pay_day(on: On) {
    for (pay_days, expected) in [("3,25", "2026-02-03T10:00:00+09:00"), ("", "2026-01-31T10:00:00+09:00")] {
        let world = World::with(on, &[("dunning.pay_days", pay_days)]).await;
        world.subscribe(SUB, "bk-insufficient-once").await;
        assert_eq!(world.run().await.declined, 1);
        assert_eq!(world.renewal(SUB).await.next_attempt_at, Some(instant(expected)));
        world.clock.pass(instant(expected) - instant(crate::world::MORNING));
        assert_eq!(world.run().await.paid, 1);
        assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"), "as if it had been paid in time");
    }
}

async fn two_subscriptions_with_one_card_are_charged_one_after_the_other(on: On) {
    let world = World::new(on).await;
    world.subscribe("a", "bk").await;
    subscribe_too(&world, "b", "a").await;
    subscribe_too(&world, "c", "a").await;
    world.subscribe("d", "bk-d").await;
    let report = world.run().await;
    assert_eq!((report.due, report.paid), (4, 4), "in one run");
    let model = world.simulator.model();
    let at: Vec<_> = model.ledger().charges().iter().map(|charge| charge.subscription.clone().unwrap()).collect();
    assert_eq!(at.len(), 4);
}

async fn a_card_that_said_no_is_not_asked_again_that_day_for_another_subscription(on: On) {
    let world = World::new(on).await;
    world.subscribe("a", "bk-limit").await;
    subscribe_too(&world, "b", "a").await;
    assert_eq!(world.run().await.declined, 1);
    let mut tried = attempts(&world, ["a", "b"]).await;
    tried.sort_unstable();
    assert_eq!(tried, [0, 1], "one attempt a day on each card");
    assert_eq!(world.simulator.model().ledger().requests(Route::Charge), 1);
    let tomorrow = Some(instant("2026-01-31T10:00:00+09:00"));
    for id in ["a", "b"] {
        let renewal = world.renewal(id).await;
        assert_eq!((renewal.state.as_str(), renewal.next_attempt_at), ("due", tomorrow), "{id}");
    }
    let told: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
    let mut declined = 0;
    for id in &told {
        declined += world.timeline(id).await.events.iter().filter(|event| event.kind == "renewal.declined").count();
    }
    assert_eq!(declined, 1, "nobody is told of a no that nobody said");
    for day in 2..=4 {
        world.clock.pass(TimeDelta::days(1));
        world.run().await;
        let [a, b] = attempts(&world, ["a", "b"]).await;
        assert!(a + b <= day, "day {day}: {a} and {b}");
    }
}

async fn a_card_that_is_gone_is_found_out_once(on: On) {
    let world = World::new(on).await;
    world.subscribe("a", "bk-lost").await;
    subscribe_too(&world, "b", "a").await;
    world.run().await;
    world.run_after(TimeDelta::days(1)).await;
    let [a, b] = attempts(&world, ["a", "b"]).await;
    assert_eq!(a + b, 1, "no attempt after a hard decline with the same card");
    for id in ["a", "b"] {
        assert!(world.renewal(id).await.waits_for_key, "{id}");
    }
    world.import(&key("a", "bk-new")).await;
    assert_eq!(world.run().await.paid, 2);
}

async fn a_new_card_is_tried_at_once(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-limit").await;
    world.run().await;
    assert_eq!(world.run_after(TimeDelta::hours(1)).await.paid, 0, "the ladder waits until tomorrow");
    world.clock.pass(TimeDelta::seconds(1));
    world.import(&key(SUB, "bk-new")).await;
    assert_eq!(world.run_after(TimeDelta::hours(1)).await.paid, 1);
    assert_eq!(world.attempts(SUB).await.len(), 2);
}

async fn a_first_card_that_comes_after_days_is_charged_while_access_lasts(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-first").await;
    world
        .texts("UPDATE billing_keys SET state = 'unusable', unusable_reason = 'told by the API service' RETURNING id")
        .await;
    assert_eq!(world.run().await.no_billing_key, 1);
    // Longer than business.max_overdue after its period began, within the grace.
    world.clock.pass(TimeDelta::days(5));
    world.run().await;
    world.import(&key(SUB, "bk-new")).await;
    assert_eq!(world.run_after(TimeDelta::minutes(15)).await.paid, 1);
    assert_eq!(world.timeline(SUB).await.subscription.status, "active");
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"));
}

async fn a_card_that_said_no_today_rests_though_the_one_after_it_is_gone(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-limit").await;
    assert_eq!(world.run().await.declined, 1);
    world.clock.pass(TimeDelta::seconds(1));
    world.import(&key(SUB, "bk-newer-lost")).await;
    world.run_after(TimeDelta::hours(1)).await;
    assert_eq!(world.attempts(SUB).await.len(), 2, "the newer one was asked at once, and is gone");
    for _ in 0..3 {
        world.run_after(TimeDelta::minutes(15)).await;
    }
    assert_eq!(world.attempts(SUB).await.len(), 2, "the older one had its attempt of the day");
    world.run_after(TimeDelta::days(1)).await;
    assert_eq!(world.attempts(SUB).await.len(), 3);
}

async fn a_new_card_on_the_last_evening_keeps_the_access_until_the_morning(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-lost").await;
    world.run().await;
    world.clock.pass(instant("2026-02-06T22:00:00+09:00") - instant(crate::world::MORNING));
    world.run().await;
    world.import(&key(SUB, "bk-new")).await;
    world.run_after(TimeDelta::minutes(1)).await;
    let renewal = world.renewal(SUB).await;
    let morning = instant("2026-02-07T09:00:00+09:00");
    assert_eq!(renewal.next_attempt_at, Some(morning));
    world.run_after(TimeDelta::hours(3)).await;
    let access = world.timeline(SUB).await.subscription;
    assert!(access.access_until > morning && access.status == "past_due", "{access:?}");
    world.run_after(TimeDelta::hours(8)).await;
    assert_eq!(world.charges(SUB).len(), 1);
    let access = world.timeline(SUB).await.subscription;
    assert_eq!((access.tier.as_str(), access.status.as_str()), ("pro", "active"));
    assert_eq!(access.current_period_end, instant("2026-02-28T00:00:00+09:00"), "from the end of the old period");
}

async fn no_more_attempts_than_are_allowed_whatever_cards_come(on: On) {
    let world = World::with(on, &[("dunning.attempts_max", "3")]).await;
    world.subscribe(SUB, "bk-0-lost").await;
    world.run().await;
    for card in 1..6 {
        world.clock.pass(TimeDelta::minutes(10));
        world.import(&key(SUB, &format!("bk-{card}-lost"))).await;
        world.run().await;
    }
    assert_eq!(world.attempts(SUB).await.len(), 3);
    assert_eq!(world.renewal(SUB).await.state, "failed");
    let events = world.timeline(SUB).await.events;
    assert_eq!(events.iter().filter(|event| event.kind == "renewal.failed").count(), 1);
}

async fn nobody_is_cut_off_before_the_last_retry(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-limit").await;
    let mut retries = 0;
    for _ in 0..(24 * 9) {
        world.run().await;
        let (renewal, access) = (world.renewal(SUB).await, world.timeline(SUB).await.subscription);
        if let Some(next) = renewal.next_attempt_at.filter(|_| renewal.state == "due") {
            assert!(access.access_until > next && access.tier == "pro", "{renewal:?} {access:?}");
            retries += 1;
        }
        world.clock.pass(TimeDelta::hours(1));
    }
    assert!(retries > 24, "it waited for days");
    let attempts = world.attempts(SUB).await;
    assert_eq!(attempts.len(), 5, "the first, and four rungs: {attempts:#?}");
    let access = world.timeline(SUB).await.subscription;
    assert_eq!((access.tier.as_str(), access.status.as_str()), ("free", "downgraded"));
    let kinds: Vec<String> = world.timeline(SUB).await.events.into_iter().map(|event| event.kind).collect();
    let count = |kind: &str| kinds.iter().filter(|told| *told == kind).count();
    assert_eq!(
        (
            count("renewal.declined"),
            count("subscription.past_due"),
            count("renewal.failed"),
            count("subscription.downgraded")
        ),
        (5, 1, 1, 1),
        "{kinds:?}"
    );
}
