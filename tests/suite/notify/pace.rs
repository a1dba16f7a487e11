//! In order, at least once, and each sink at its own pace.

use super::receiver::{Does, Heard, Receiver};
use super::{Told, deliver};
use crate::world::On;
use chrono::TimeDelta;
use renewd::domain::action::{ActionKind, Hand, NewAction};
use renewd::domain::delivery::SinkName;
use renewd::domain::event::{EventKind, NewEvent};
use renewd::domain::ids::{ActionId, EventId};
use renewd::engine::deliver::Dispatcher;
use renewd::shutdown::Shutdown;
use renewd::store::outbox::{DeliveryFilter, Manual, ManualChange};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

crate::on_both_databases! {
    of_one_subscription_events_come_in_order_also_when_one_fails,
    a_message_that_always_fails_is_given_up_and_the_next_ones_go_on,
    what_was_given_up_is_sent_again_under_the_same_id,
    a_sink_that_is_down_holds_back_no_other_and_gets_all_when_it_is_back,
    two_processes_deliver_nothing_twice,
    a_process_that_ended_before_it_recorded_sends_again_under_the_same_id,
    who_was_held_up_past_its_claim_sends_nothing_more_of_it,
    told_to_stop_it_begins_nothing_and_leaves_nothing_behind,
    a_receiver_that_asks_for_time_gets_it,
}

/// Events about a subscription, in this order.
async fn tell(told: &Told, subscription: &str, kinds: &[EventKind]) {
    let now = told.world.store.now().await.unwrap();
    let event = |kind: &EventKind| {
        let id = EventId(told.world.app.chance.id(now));
        NewEvent {
            id,
            kind: *kind,
            subscription_id: Some(subscription.into()),
            renewal_id: None,
            attempt_id: None,
            dedupe: id.to_string(),
            payload: serde_json::json!({}),
            created_at: now,
        }
    };
    told.world.store.tell(&kinds.iter().map(event).collect::<Vec<_>>()).await.unwrap();
}

const LIFE: [EventKind; 3] = [EventKind::RenewalDeclined, EventKind::SubscriptionPastDue, EventKind::RenewalPaid];

/// The kinds that came, by subscription, in their order.
fn lives(heard: &[Heard]) -> BTreeMap<String, Vec<String>> {
    let mut lives = BTreeMap::<String, Vec<String>>::new();
    for one in heard {
        let subject = one.json()["data"]["subscription_id"].as_str().unwrap().to_owned();
        lives.entry(subject).or_default().push(one.kind());
    }
    lives
}

fn life() -> Vec<String> {
    LIFE.iter().map(|kind| kind.as_str().to_owned()).collect()
}

async fn of_one_subscription_events_come_in_order_also_when_one_fails(on: On) {
    let told = Told::new(on).await;
    for id in ["sub-a", "sub-b"] {
        tell(&told, id, &LIFE).await;
    }
    told.api.does_about("sub-a", Does::Answer(500));
    let first = told.deliver().await;
    assert_eq!((first.failed, first.problems[&SinkName::Webhook].as_str()), (1, "answered 500: refused at ***"));
    let lives_then = lives(&told.api.take());
    assert_eq!(lives_then["sub-b"], life());
    assert_eq!(lives_then["sub-a"], life()[..1], "the later ones wait for the first");
    assert_eq!(told.deliver().await.failed, 0, "it is not tried again at once");
    told.api.does_about("sub-a", Does::Take);
    told.world.clock.pass(TimeDelta::minutes(1));
    told.deliver().await;
    assert_eq!(lives(&told.api.take())["sub-a"], life());
}

async fn a_message_that_always_fails_is_given_up_and_the_next_ones_go_on(on: On) {
    let told = Told::new(on).await;
    tell(&told, "sub-a", &LIFE).await;
    told.api.does_about("renewal.declined", Does::Answer(500));
    let mut waits = Vec::new();
    for _ in 0..2 {
        assert_eq!(told.deliver().await.failed, 1);
        let webhook = DeliveryFilter { sink: Some(SinkName::Webhook), ..DeliveryFilter::default() };
        let rows = told.list(webhook).await;
        let next = rows.iter().filter(|row| row.tries > 0).find_map(|row| row.next_try_at).unwrap();
        waits.push((next - told.world.store.now().await.unwrap()).num_seconds());
        told.world.clock.pass(TimeDelta::minutes(2));
    }
    assert!((30..=60).contains(&waits[0]) && (60..=120).contains(&waits[1]), "{waits:?}");
    assert_eq!(told.deliver().await.dead, 1);
    assert_eq!((told.count("dead").await, told.count("delivered").await), (1, 2));
    let kinds: Vec<String> = told.api.take().iter().map(Heard::kind).collect();
    assert_eq!(kinds, [vec!["renewal.declined".to_owned(); 3], life()[1..].to_vec()].concat());
}

async fn what_was_given_up_is_sent_again_under_the_same_id(on: On) {
    let told = Told::with(on, &[("notify.tries_max", "1")]).await;
    tell(&told, "sub-a", &LIFE[..1]).await;
    told.api.does(Does::Answer(500));
    assert_eq!(told.deliver().await.dead, 1);
    told.api.does(Does::Take);
    let now = told.world.store.now().await.unwrap();
    let action = NewEvent {
        id: EventId(told.world.app.chance.id(now)),
        kind: EventKind::EventsReplayed,
        subscription_id: None,
        renewal_id: None,
        attempt_id: None,
        dedupe: "replayed".to_owned(),
        payload: serde_json::json!({}),
        created_at: now,
    };
    let (manual, reason) = (Manual::ReplayDead, "the API was mended".to_owned());
    let id = ActionId(told.world.app.chance.id(now));
    let recorded = NewAction::new(id, ActionKind::EventsReplay, &Hand::of("ops"), now);
    let change = ManualChange { manual, event_id: None, sink: None, since: None, reason, action, recorded };
    assert_eq!(told.world.store.change_deliveries(&change).await.unwrap(), 1);
    told.deliver().await;
    let ids: BTreeSet<String> = told.api.heard().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!((told.api.heard().len(), ids.len(), told.count("delivered").await), (2, 1, 1));
}

async fn a_sink_that_is_down_holds_back_no_other_and_gets_all_when_it_is_back(on: On) {
    let slack = Receiver::start().await;
    let hasty = ("notify.send_timeout", "1s");
    let told = Told::with(on, &[("notify.slack_url", &slack.url("services/T/B/x")), hasty]).await;
    told.api.does(Does::Hang);
    for number in 0..20 {
        tell(&told, &format!("sub-{number}"), &[EventKind::RenewalReview]).await;
    }
    let began = std::time::Instant::now();
    told.deliver().await;
    assert_eq!(slack.heard().len(), 20);
    assert!(began.elapsed() < Duration::from_secs(15), "twenty messages of a second each are not waited for");
    let tried = told.api.take().len();
    assert!((5..=12).contains(&tried), "{tried}: who fails whatever comes is left alone");
    told.deliver().await;
    assert_eq!(told.api.take().len(), 0, "for a while");
    let webhook = DeliveryFilter { sink: Some(SinkName::Webhook), ..DeliveryFilter::default() };
    let untried = told.list(webhook).await.iter().filter(|row| row.tries == 0).count();
    assert_eq!(untried, 20 - tried, "and what was never sent has lost no try");
    told.api.does(Does::Take);
    told.world.clock.pass(TimeDelta::minutes(2));
    told.deliver().await;
    assert_eq!((told.count("delivered").await, told.api.heard().len()), (20, 20));
    assert_eq!(slack.heard().len(), 20, "and nothing is repeated to the other");
}

async fn two_processes_deliver_nothing_twice(on: On) {
    let told = Told::new(on).await;
    for number in 0..40 {
        tell(&told, &format!("sub-{number}"), &LIFE).await;
    }
    let other = told.other_process().await;
    for _ in 0..9 {
        tokio::join!(deliver(&told.dispatcher), deliver(&other));
    }
    assert_eq!((told.api.heard().len(), told.count("delivered").await), (120, 120));
    assert!(lives(&told.api.heard()).values().all(|seen| *seen == life()), "each in its order");
}

/// A process that delivers in the background, until it is ended.
fn background(dispatcher: Dispatcher) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { drop(deliver(&dispatcher).await) })
}

async fn a_process_that_ended_before_it_recorded_sends_again_under_the_same_id(on: On) {
    let told = Told::new(on).await;
    tell(&told, "sub-a", &LIFE[..2]).await;
    told.api.does(Does::Hang);
    let process = background(told.other_process().await);
    told.api.has_heard(1).await;
    process.abort();
    assert!(process.await.unwrap_err().is_cancelled());
    told.api.does(Does::Take);
    told.deliver().await;
    assert_eq!(told.api.heard().len(), 1, "it may still be under way");
    told.world.clock.pass(TimeDelta::seconds(8 * 30));
    told.deliver().await;
    let heard = told.api.heard();
    let kinds: Vec<String> = heard.iter().map(Heard::kind).collect();
    assert_eq!(kinds, ["renewal.declined", "renewal.declined", "subscription.past_due"]);
    assert_eq!(heard[0].header("webhook-id"), heard[1].header("webhook-id"));
    assert_eq!(heard[0].body, heard[1].body);
}

async fn who_was_held_up_past_its_claim_sends_nothing_more_of_it(on: On) {
    // Longer than a busy machine needs until the clock is set.
    let told = Told::with(on, &[("notify.messages_at_once", "1"), ("notify.send_timeout", "8s")]).await;
    for number in 0..4 {
        tell(&told, &format!("sub-{number}"), &LIFE[..1]).await;
    }
    told.api.does(Does::Hang);
    let other = told.other_process().await;
    let meanwhile = async {
        told.api.has_heard(1).await;
        told.api.does(Does::Take);
        told.world.clock.pass(TimeDelta::seconds(65));
        deliver(&other).await
    };
    tokio::join!(deliver(&told.dispatcher), meanwhile);
    // Of the API service's alone: who of the two writes the log is a matter of moments.
    assert_eq!(told.count("delivered").await, 4);
    assert_eq!(told.api.heard().len(), 1 + 4, "what another took over is left to it");
}

async fn told_to_stop_it_begins_nothing_and_leaves_nothing_behind(on: On) {
    let told = Told::with(on, &[("notify.messages_at_once", "1"), ("notify.send_timeout", "4s")]).await;
    for number in 0..4 {
        tell(&told, &format!("sub-{number}"), &LIFE[..1]).await;
    }
    told.api.does(Does::Hang);
    let shutdown = Shutdown::new(Duration::from_secs(8));
    let stop = async {
        told.api.has_heard(1).await;
        shutdown.request();
    };
    let (done, ()) = tokio::join!(told.dispatcher.deliver(Duration::from_secs(60), &shutdown), stop);
    assert_eq!((done.unwrap().failed, told.api.take().len()), (1, 1));
    told.api.does(Does::Take);
    told.deliver().await;
    assert_eq!(told.api.heard().len(), 3, "what was claimed and not begun waits for nobody's claim to end");
}

async fn a_receiver_that_asks_for_time_gets_it(on: On) {
    let told = Told::new(on).await;
    tell(&told, "sub-a", &LIFE[..1]).await;
    told.api.does(Does::AskLater(600));
    told.deliver().await;
    told.api.does(Does::Take);
    told.world.clock.pass(TimeDelta::seconds(599));
    told.deliver().await;
    assert_eq!(told.api.heard().len(), 1);
    told.world.clock.pass(TimeDelta::seconds(1));
    told.deliver().await;
    assert_eq!((told.api.heard().len(), told.count("delivered").await), (2, 1));
}
