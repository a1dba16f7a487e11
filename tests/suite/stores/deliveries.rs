//! Events on their way to the sinks: handed over in order, claimed by one, recorded under the claim, changed by hand.

use super::ground::{Ground, now};
use super::on_all;
use chrono::TimeDelta;
use renewd::chance::Chance;
use renewd::domain::action::{ActionKind, Hand, NewAction};
use renewd::domain::delivery::{NewDelivery, Next, Recorded, Sending, SinkName, Told};
use renewd::domain::event::{EventKind, NewEvent};
use renewd::domain::ids::{ActionId, EventId, SubscriptionId};
use renewd::store::outbox::{DeliveryClaim, DeliveryFilter, Manual, ManualChange, Router};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

on_all!(
    every_event_is_in_the_outbox_until_it_is_handed_over,
    events_are_handed_over_in_their_order_and_once,
    a_subscription_is_told_one_event_after_the_other_and_the_others_do_not_wait,
    what_is_over_whatever_it_came_to_lets_the_next_one_go,
    a_claim_is_one_process_and_ends,
    what_was_not_sent_after_all_is_due_at_once_and_was_no_try,
    sinks_do_not_wait_for_each_other,
    what_people_were_told_lately_is_counted,
    a_person_sends_again_and_drops,
    what_a_person_did_is_told_if_it_did_anything,
    deliveries_are_listed_by_what_they_are,
    claims_at_once_take_nothing_twice,
    ; sql: an_event_that_is_deleted_takes_its_deliveries_along
);

const LEASE: Duration = Duration::from_secs(60);

/// An event about a subscription; about nobody without one.
fn event(ground: &Ground, kind: EventKind, subscription: Option<&str>) -> NewEvent {
    let id = EventId(ground.chance.id(now()));
    NewEvent {
        id,
        kind,
        subscription_id: subscription.map(SubscriptionId::from),
        renewal_id: None,
        attempt_id: None,
        dedupe: id.to_string(),
        payload: serde_json::json!({"amount": 55_000, "currency": "KRW"}),
        created_at: now(),
    }
}

async fn told(ground: &Ground, subscriptions: &[Option<&str>]) -> Vec<EventId> {
    let events: Vec<NewEvent> =
        subscriptions.iter().map(|subscription| event(ground, EventKind::RenewalPaid, *subscription)).collect();
    ground.tell(&events).await.unwrap();
    events.iter().map(|event| event.id).collect()
}

/// Hands everything to these sinks.
fn to(sinks: &'static [SinkName]) -> Router {
    Arc::new(move |events: &[Told], _: &_| {
        let handed = |event: &Told, sink: &SinkName| NewDelivery {
            event_id: event.id,
            sink: *sink,
            subscription_id: event.subscription_id.clone(),
            dropped: None,
        };
        events.iter().flat_map(|event| sinks.iter().map(move |sink| handed(event, sink))).collect()
    })
}

async fn told_and_routed(ground: &Ground, subscriptions: &[Option<&str>]) -> Vec<EventId> {
    let ids = told(ground, subscriptions).await;
    ground.route_events(99, to(&[SinkName::Webhook])).await.unwrap();
    ids
}

async fn claim_by(ground: &Ground, sink: SinkName, rows_max: u32) -> Vec<Sending> {
    let claim = DeliveryClaim { sink, claim: ground.chance.id(now()), lease: LEASE, rows_max };
    ground.claim_deliveries(&claim).await.unwrap()
}

async fn claim(ground: &Ground) -> Vec<Sending> {
    claim_by(ground, SinkName::Webhook, 99).await
}

fn ids(sendings: &[Sending]) -> Vec<EventId> {
    sendings.iter().map(|sending| sending.event.id).collect()
}

fn recorded(sending: &Sending, next: Next) -> Recorded {
    let note = (next != Next::Delivered).then(|| "answered 500".to_owned());
    Recorded { event_id: sending.event.id, sink: sending.sink, claim: sending.claim, next, note }
}

async fn record(ground: &Ground, sending: &Sending, next: Next) -> bool {
    let written = ground.record_deliveries(&[recorded(sending, next)]).await.unwrap();
    assert!(written.iter().all(|id| *id == sending.event.id));
    !written.is_empty()
}

async fn every_event_is_in_the_outbox_until_it_is_handed_over(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    ground.settle(&[ground.paid(&attempt)]).await.unwrap();
    told(&ground, &[None]).await;
    let events = ground.count("events", "true").await;
    assert!(events >= 2, "a settle tells in its own statement");
    assert_eq!(ground.count("outbox", "true").await, events);
    let again = event(&ground, EventKind::RenewalPaid, None);
    ground.tell(std::slice::from_ref(&again)).await.unwrap();
    ground.tell(&[again]).await.unwrap();
    assert_eq!(ground.count("outbox", "true").await, events + 1, "what is told again is not told again");
    assert_eq!(ground.route_events(99, to(&[SinkName::Log])).await.unwrap(), u32::try_from(events + 1).unwrap());
    assert_eq!((ground.count("outbox", "true").await, ground.count("deliveries", "true").await), (0, events + 1));
}

async fn events_are_handed_over_in_their_order_and_once(ground: Ground) {
    let ids = told(&ground, &[Some("a"), None, Some("b")]).await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let note: Router = Arc::new(move |events: &[Told], _: &_| {
        noted
            .lock()
            .unwrap()
            .extend(events.iter().map(|event| (event.id, event.kind.clone(), event.payload["amount"].as_i64())));
        Vec::new()
    });
    assert_eq!(ground.route_events(2, Arc::clone(&note)).await.unwrap(), 2);
    assert_eq!(ground.route_events(2, Arc::clone(&note)).await.unwrap(), 1);
    assert_eq!(ground.route_events(2, note).await.unwrap(), 0);
    let expected: Vec<_> = ids.iter().map(|id| (*id, "renewal.paid".to_owned(), Some(55_000))).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

async fn a_subscription_is_told_one_event_after_the_other_and_the_others_do_not_wait(ground: Ground) {
    let all = told_and_routed(&ground, &[Some("a"), Some("a"), Some("b"), None, None]).await;
    let first = claim(&ground).await;
    assert_eq!(ids(&first), [all[0], all[2], all[3], all[4]], "the second of a waits");
    assert_eq!((first[0].tries, first[0].event.subscription_id.clone()), (1, Some("a".into())));
    assert!(claim(&ground).await.is_empty(), "also while the first is under way");
    let later = now() + TimeDelta::minutes(10);
    assert!(record(&ground, &first[0], Next::RetryAt(later)).await);
    assert!(claim(&ground).await.is_empty(), "also while the first waits to be tried again");
    ground.pass(TimeDelta::minutes(10));
    let again = claim(&ground).await;
    let of_a: Vec<&Sending> = again.iter().filter(|one| one.event.subscription_id == Some("a".into())).collect();
    assert_eq!((of_a.len(), of_a[0].event.id, of_a[0].tries), (1, all[0], 2));
    assert!(record(&ground, of_a[0], Next::Delivered).await);
    assert_eq!(ids(&claim(&ground).await), [all[1]]);
}

async fn what_is_over_whatever_it_came_to_lets_the_next_one_go(ground: Ground) {
    let all = told_and_routed(&ground, &[Some("a"), Some("a"), Some("a"), Some("a")]).await;
    let one = claim(&ground).await.remove(0);
    assert!(record(&ground, &one, Next::Dead).await);
    assert_eq!(ground.count("deliveries", "state = 'dead' AND note = 'answered 500' AND tries = 1").await, 1);
    let two = claim(&ground).await.remove(0);
    assert_eq!(two.event.id, all[1]);
    assert!(record(&ground, &two, Next::Delivered).await);
    assert_eq!(ground.count("deliveries", "state = 'delivered' AND note IS NULL AND next_try_at IS NULL").await, 1);
    drop_one(&ground, all[2]).await;
    assert_eq!(ids(&claim(&ground).await), [all[3]]);
}

async fn a_claim_is_one_process_and_ends(ground: Ground) {
    told_and_routed(&ground, &[Some("a")]).await;
    let slow = claim(&ground).await.remove(0);
    ground.pass(TimeDelta::seconds(59));
    assert!(claim(&ground).await.is_empty());
    ground.pass(TimeDelta::seconds(1));
    let other = claim(&ground).await.remove(0);
    assert_eq!((other.event.id, other.tries), (slow.event.id, 2));
    assert!(!record(&ground, &slow, Next::Dead).await, "its time was up");
    assert_eq!(ground.count("deliveries", "state = 'pending'").await, 1);
    assert!(record(&ground, &other, Next::Delivered).await);
    assert!(!record(&ground, &other, Next::Dead).await, "it is over");
}

async fn what_was_not_sent_after_all_is_due_at_once_and_was_no_try(ground: Ground) {
    told_and_routed(&ground, &[Some("a")]).await;
    let claimed = claim(&ground).await.remove(0);
    assert!(record(&ground, &claimed, Next::Unsent(now())).await);
    assert_eq!(claim(&ground).await[0].tries, 1);
}

async fn sinks_do_not_wait_for_each_other(ground: Ground) {
    let all = told(&ground, &[Some("a"), Some("a")]).await;
    ground.route_events(99, to(&[SinkName::Webhook, SinkName::Slack])).await.unwrap();
    let to_webhook = claim(&ground).await.remove(0);
    assert!(record(&ground, &to_webhook, Next::RetryAt(now() + TimeDelta::days(1))).await);
    for id in all {
        let to_slack = claim_by(&ground, SinkName::Slack, 99).await;
        assert_eq!(ids(&to_slack), [id]);
        assert!(record(&ground, &to_slack[0], Next::Delivered).await);
    }
    assert_eq!(claim_by(&ground, SinkName::Log, 99).await, []);
    assert_eq!(ground.count("deliveries", "state = 'pending' AND sink = 'webhook'").await, 2);
}

async fn what_people_were_told_lately_is_counted(ground: Ground) {
    told(&ground, &[None, None]).await;
    ground.route_events(1, to(&[SinkName::Slack, SinkName::Webhook])).await.unwrap();
    let counted = async |ground: &Ground| {
        let seen = Arc::new(std::sync::Mutex::new(None));
        let noted = Arc::clone(&seen);
        let note: Router = Arc::new(move |_: &[Told], sent: &std::collections::BTreeMap<SinkName, u32>| {
            *noted.lock().unwrap() = Some(sent.clone());
            Vec::new()
        });
        ground.route_events(1, note).await.unwrap();
        let seen = seen.lock().unwrap().take().unwrap();
        (seen.get(&SinkName::Slack).copied(), seen.contains_key(&SinkName::Webhook))
    };
    assert_eq!(counted(&ground).await, (Some(1), false));
    told(&ground, &[None]).await;
    ground.pass(TimeDelta::minutes(61));
    assert_eq!(counted(&ground).await, (None, false), "an hour later it is forgotten");
}

fn by_hand(ground: &Ground, manual: Manual, event_id: Option<EventId>) -> ManualChange {
    let action = event(ground, EventKind::EventsReplayed, None);
    let hand = Hand::of("haneul").because("asked for it");
    let recorded = NewAction::new(ActionId(ground.chance.id(now())), ActionKind::EventsDrop, &hand, now());
    ManualChange { manual, event_id, sink: None, since: None, reason: "asked for it".to_owned(), action, recorded }
}

async fn drop_one(ground: &Ground, id: EventId) {
    assert_eq!(ground.change_deliveries(&by_hand(ground, Manual::Drop, Some(id))).await.unwrap(), 1);
}

async fn a_person_sends_again_and_drops(ground: Ground) {
    let all = told_and_routed(&ground, &[Some("a"), Some("b"), Some("c"), Some("d")]).await;
    let sent = claim(&ground).await;
    for (sending, next) in sent.iter().zip([Next::Dead, Next::Dead, Next::Delivered]) {
        assert!(record(&ground, sending, next).await);
    }
    drop_one(&ground, all[3]).await;
    assert!(!record(&ground, &sent[3], Next::Delivered).await, "dropped while it was under way");
    drop_one(&ground, all[0]).await;
    let dead = by_hand(&ground, Manual::ReplayDead, None);
    assert_eq!(ground.change_deliveries(&dead).await.unwrap(), 1);
    let again = claim(&ground).await;
    assert_eq!((ids(&again), again[0].tries), (vec![all[1]], 1), "the tries are counted anew");
    let nothing = by_hand(&ground, Manual::Replay, Some(all[1]));
    assert_eq!(ground.change_deliveries(&nothing).await.unwrap(), 0, "what is under way is not sent again");
    for (sink, since, changed) in [
        (Some(SinkName::Slack), None, 0),
        (Some(SinkName::Webhook), Some(now() + TimeDelta::seconds(1)), 0),
        (Some(SinkName::Webhook), Some(now()), 3),
    ] {
        let change = ManualChange { sink, since, ..by_hand(&ground, Manual::Replay, None) };
        assert_eq!(ground.change_deliveries(&change).await.unwrap(), changed, "{sink:?} {since:?}");
    }
    assert_eq!(ground.count("deliveries", "state = 'pending' AND note = 'asked for it'").await, 4);
}

async fn what_a_person_did_is_told_if_it_did_anything(ground: Ground) {
    let all = told_and_routed(&ground, &[Some("a")]).await;
    let unknown = by_hand(&ground, Manual::Drop, Some(EventId(Uuid::nil())));
    assert_eq!(ground.change_deliveries(&unknown).await.unwrap(), 0);
    assert_eq!(ground.count("events", "kind = 'events.replayed'").await, 0);
    assert_eq!(ground.count("actions", "true").await, 0);
    drop_one(&ground, all[0]).await;
    assert_eq!(ground.count("events", "kind = 'events.replayed'").await, 1);
    assert_eq!(ground.count("actions", "actor = 'haneul' AND kind = 'events_drop'").await, 1);
    assert_eq!(ground.count("outbox", "true").await, 1, "like every event");
}

async fn deliveries_are_listed_by_what_they_are(ground: Ground) {
    let mut all = told_and_routed(&ground, &[Some("a"), Some("b")]).await;
    let sent = claim(&ground).await;
    assert!(record(&ground, &sent[0], Next::Dead).await);
    let review = event(&ground, EventKind::RenewalReview, Some("a"));
    ground.tell(std::slice::from_ref(&review)).await.unwrap();
    all.push(review.id);
    let list = async |filter: DeliveryFilter| {
        let rows = ground.deliveries(&DeliveryFilter { rows_max: 9, ..filter }).await.unwrap();
        rows.iter().map(|row| all.iter().position(|id| *id == row.event.id).unwrap()).collect::<Vec<_>>()
    };
    let everything = DeliveryFilter::default();
    assert_eq!(list(everything.clone()).await, [2, 1, 0], "the newest first");
    assert_eq!(list(DeliveryFilter { state: Some("dead"), ..everything.clone() }).await, [0]);
    assert_eq!(list(DeliveryFilter { state: Some("pending"), ..everything.clone() }).await, [2, 1]);
    assert_eq!(list(DeliveryFilter { kind: Some(EventKind::RenewalReview), ..everything.clone() }).await, [2]);
    assert_eq!(list(DeliveryFilter { subscription: Some("a".into()), ..everything.clone() }).await, [2, 0]);
    assert_eq!(list(DeliveryFilter { sink: Some(SinkName::Webhook), ..everything.clone() }).await, [1, 0]);
    let rows = ground.deliveries(&DeliveryFilter { rows_max: 1, ..everything.clone() }).await.unwrap();
    assert_eq!((rows.len(), rows[0].sink.as_deref(), rows[0].tries), (1, None, 0), "still in the outbox");
    let dead = ground.deliveries(&DeliveryFilter { state: Some("dead"), rows_max: 9, ..everything }).await.unwrap();
    assert_eq!((dead[0].tries, dead[0].note.as_deref(), dead[0].next_try_at), (1, Some("answered 500"), None));
    let left = ground.deliveries_left().await.unwrap();
    let counts: Vec<_> = left.iter().map(|row| (row.sink.as_deref(), row.state.as_str(), row.events)).collect();
    assert_eq!(counts, [(None, "pending", 1), (Some("webhook"), "dead", 1), (Some("webhook"), "pending", 1)]);
    assert_eq!(left[0].oldest, now());
}

async fn claims_at_once_take_nothing_twice(ground: Ground) {
    let names: Vec<String> = (0..60).map(|number| format!("sub_{number}")).collect();
    let all: BTreeSet<EventId> =
        told_and_routed(&ground, &names.iter().map(|name| Some(name.as_str())).collect::<Vec<_>>())
            .await
            .into_iter()
            .collect();
    let other = ground.neighbour(Arc::new(ground.clock.clone())).await;
    let claims = (0..12).map(|number| {
        let store = if number % 2 == 0 { Arc::clone(&ground.store) } else { Arc::clone(&other) };
        let claim = ground.chance.id(now());
        let request = DeliveryClaim { sink: SinkName::Webhook, claim, lease: LEASE, rows_max: 10 };
        async move { store.claim_deliveries(&request).await.unwrap() }
    });
    let taken: Vec<EventId> =
        futures_util::future::join_all(claims).await.iter().flat_map(|claimed| ids(claimed)).collect();
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), taken.len(), "nothing twice");
    let rest = ids(&claim(&ground).await);
    assert_eq!(taken.into_iter().chain(rest).collect::<BTreeSet<_>>(), all, "and nothing is lost");
}

async fn an_event_that_is_deleted_takes_its_deliveries_along(ground: Ground) {
    told_and_routed(&ground, &[Some("a")]).await;
    told(&ground, &[None]).await;
    ground.sql("DELETE FROM events").await.unwrap();
    assert_eq!((ground.count("deliveries", "true").await, ground.count("outbox", "true").await), (0, 0));
}
