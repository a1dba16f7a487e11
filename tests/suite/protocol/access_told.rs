//! A message never promises another end of access than the view shows: the API service tells customers by the one and
//! lets them in by the other.

use crate::world::{On, World, instant, key};
use chrono::{DateTime, TimeDelta, Utc};
use renewd::gateway::simulator::Route;

crate::on_both_databases! {
    each_outcome_tells_the_access_that_the_view_shows,
    cancelled_on_the_ladder_tells_the_end_of_what_was_paid,
    failed_before_its_grace_is_over_tells_no_grace,
    what_lapsed_tells_no_grace,
}

const SUB: &str = "sub";
const PERIOD_END: &str = "2026-01-31T00:00:00+09:00";

/// The newest message of `kind` about `id`, and what the view shows.
async fn told_and_shown(world: &World, id: &str, kind: &str) -> (DateTime<Utc>, DateTime<Utc>) {
    let timeline = world.timeline(id).await;
    let event = timeline.events.iter().rev().find(|event| event.kind == kind);
    let event = event.unwrap_or_else(|| panic!("{kind} was not told of {id}: {:?}", timeline.events));
    (instant(event.payload["access_until"].as_str().unwrap()), timeline.subscription.access_until)
}

async fn each_outcome_tells_the_access_that_the_view_shows(on: On) {
    let world = World::new(on).await;
    let in_grace = "2026-02-07T00:00:00+09:00";
    for (id, billing_key, kind, until) in [
        ("paid", "bk-1", "renewal.paid", "2026-02-28T00:00:00+09:00"),
        ("declined", "bk-2-limit", "renewal.declined", in_grace),
        ("lost", "bk-3-lost", "billing_key.missing", in_grace),
        ("review", "bk-4-other-amount", "renewal.review", in_grace),
        ("gone", "bk-5", "renewal.canceled", PERIOD_END),
    ] {
        world.subscribe(id, billing_key).await;
        if kind == "renewal.canceled" {
            world.cancel(id).await;
        }
        world.try_run(&[id]).await.unwrap();
        assert_eq!(told_and_shown(&world, id, kind).await, (instant(until), instant(until)), "{id}");
    }
}

async fn cancelled_on_the_ladder_tells_the_end_of_what_was_paid(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-insufficient").await;
    world.run().await;
    world.cancel(SUB).await;
    world.run_after(TimeDelta::hours(1)).await;
    let end = instant(PERIOD_END);
    assert_eq!(told_and_shown(&world, SUB, "renewal.canceled").await, (end, end));
}

async fn failed_before_its_grace_is_over_tells_no_grace(on: On) {
    let world = World::with(on, &[("dunning.attempts_max", "2")]).await;
    world.subscribe(SUB, "bk-0-lost").await;
    world.run().await;
    for card in 1..4 {
        world.import(&key(SUB, &format!("bk-{card}-lost"))).await;
        world.run_after(TimeDelta::minutes(10)).await;
    }
    let end = instant(PERIOD_END);
    assert_eq!(told_and_shown(&world, SUB, "renewal.failed").await, (end, end));
}

async fn what_lapsed_tells_no_grace(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.run_after(TimeDelta::days(5)).await;
    let end = instant(PERIOD_END);
    assert_eq!(told_and_shown(&world, SUB, "renewal.lapsed").await, (end, end));
    assert_eq!(world.simulator.model().ledger().requests(Route::Charge), 0);
}
