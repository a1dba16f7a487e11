//! What the gateway tells by itself: it makes us look, and the look decides as ever.

use crate::told::Told;
use crate::world::{On, World, instant};
use chrono::{DateTime, TimeDelta, Utc};
use renewd::clock::Clock;
use renewd::domain::charge::BillingKey;
use renewd::domain::notice::{Notice, NoticeKind, Subject};
use renewd::engine::hear::Heard;
use renewd::gateway::BillingKeyStatus;
use renewd::gateway::simulator::{KeyInfo, Route, Rule, Trouble, When};
use renewd::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

crate::on_both_databases! {
    a_late_payment_is_settled_when_it_is_told,
    a_failure_ends_the_wait_for_an_unknown_outcome,
    what_was_taken_already_is_not_asked_for_again,
    messages_of_one_payment_are_one_look,
    our_own_charge_under_way_is_left_alone,
    nothing_is_sent_again_by_hearing,
    money_that_went_back_is_told_to_a_person_once,
    a_body_that_lies_changes_nothing,
    a_dispute_is_told_and_charges_nothing,
    a_payment_that_nobody_knows_is_done_with,
    a_gateway_that_does_not_answer_is_asked_again_until_it_does,
    a_deleted_key_is_gone_and_told_before_its_day,
    a_key_that_is_issued_again_is_charged,
    an_old_message_does_not_bring_a_refused_key_back,
    a_key_is_not_gone_because_a_gateway_does_not_know_it,
}

const SUB: &str = "sub";
const KEY: &str = "bk-1";

async fn world(on: On, billing_key: &str) -> World {
    let world = World::new(on).await;
    world.subscribe(SUB, billing_key).await;
    world
}

fn of_payment(id: &str, kind: NoticeKind, payment_id: &str) -> Notice {
    Notice { id: id.to_owned(), kind, subject: Subject::Payment(payment_id.into()), happened_at: None }
}

fn of_key(id: &str, kind: NoticeKind, key: &str, happened_at: DateTime<Utc>) -> Notice {
    let subject = Subject::Key(BillingKey::new(key));
    Notice { id: id.to_owned(), kind, subject, happened_at: Some(happened_at) }
}

async fn hear(world: &World) -> Heard {
    world.engine.hear("test", &Shutdown::new(Duration::from_secs(8))).await.unwrap()
}

async fn tell(world: &World, notice: Notice) -> Heard {
    world.store.keep_notices(&[notice]).await.unwrap();
    hear(world).await
}

fn look_ups(world: &World) -> u64 {
    world.simulator.model().ledger().requests(Route::LookUp)
}

async fn payment_id(world: &World) -> String {
    world.renewal(SUB).await.payment_id
}

/// States of the messages, with what became of them.
async fn left(world: &World) -> Vec<String> {
    world.texts("SELECT state || ': ' || coalesce(note, '') FROM webhooks ORDER BY id").await
}

async fn a_late_payment_is_settled_when_it_is_told(on: On) {
    let world = world(on, KEY).await;
    world.rule(When::Always, Trouble::Pending { secs: 30, then_paid: true });
    world.run().await;
    assert_eq!(world.renewal(SUB).await.state, "unknown");
    world.clock.pass(TimeDelta::seconds(31));
    let heard = tell(&world, of_payment("wh-1", NoticeKind::Paid, &payment_id(&world).await)).await;
    assert_eq!((heard.messages, heard.looked_up, heard.adopted), (1, 1, 1));
    assert_eq!(world.renewal(SUB).await.state, "paid");
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"));
    assert_eq!((world.charges(SUB).len(), world.told("renewal.paid").await.len()), (1, 1));
    let runs = world.store.runs(1).await.unwrap();
    assert_eq!((runs[0].trigger.as_str(), runs[0].status.as_str()), ("webhook", "completed"));
    assert_eq!(left(&world).await, ["done: looked up"]);
    assert_eq!(world.run().await.paid, 0, "nothing is left to settle");
}

async fn a_failure_ends_the_wait_for_an_unknown_outcome(on: On) {
    let world = world(on, KEY).await;
    world.rule(When::Always, Trouble::Pending { secs: 30, then_paid: false });
    world.run().await;
    assert_eq!(world.renewal(SUB).await.state, "unknown");
    world.clock.pass(TimeDelta::seconds(31));
    tell(&world, of_payment("wh-1", NoticeKind::Failed, &payment_id(&world).await)).await;
    let renewal = world.renewal(SUB).await;
    assert_eq!((renewal.state.as_str(), renewal.decline_count), ("due", 1));
    // Told again, and told late: the same decline is recorded once.
    tell(&world, of_payment("wh-2", NoticeKind::Failed, &payment_id(&world).await)).await;
    assert_eq!(world.renewal(SUB).await.decline_count, 1);
    assert_eq!(world.told("renewal.declined").await.len(), 1);
}

async fn what_was_taken_already_is_not_asked_for_again(on: On) {
    let world = world(on, KEY).await;
    assert_eq!(world.run().await.paid, 1);
    let (before, runs) = (look_ups(&world), world.store.runs(9).await.unwrap().len());
    let heard = tell(&world, of_payment("wh-1", NoticeKind::Paid, &payment_id(&world).await)).await;
    assert_eq!((heard.messages, heard.looked_up, look_ups(&world) - before), (1, 0, 0));
    assert_eq!(left(&world).await, ["done: recorded already"]);
    assert_eq!(world.store.runs(9).await.unwrap().len(), runs, "nothing was settled, so there was no run");
}

async fn messages_of_one_payment_are_one_look(on: On) {
    let world = world(on, KEY).await;
    world.rule(When::Always, Trouble::Pending { secs: 30, then_paid: true });
    world.run().await;
    world.clock.pass(TimeDelta::seconds(31));
    let id = payment_id(&world).await;
    let notices: Vec<Notice> = (0..9).map(|n| of_payment(&format!("wh-{}", n % 5), NoticeKind::Paid, &id)).collect();
    let new = world.store.keep_notices(&notices).await.unwrap();
    assert_eq!((new.len(), world.store.keep_notices(&notices).await.unwrap().len()), (5, 0), "each message once");
    let heard = hear(&world).await;
    assert_eq!((heard.messages, heard.looked_up, heard.adopted), (5, 1, 1));
    assert_eq!(hear(&world).await, Heard::default(), "all are done");
    assert_eq!(world.told("renewal.paid").await.len(), 1);
}

async fn our_own_charge_under_way_is_left_alone(on: On) {
    let world = world(on, KEY).await;
    world.rule(When::Always, Trouble::Pending { secs: 3_600, then_paid: true });
    world.run().await;
    let set = |state: &str, lease: &str| {
        format!("UPDATE renewals SET state = '{state}', lease_until = {lease}, next_look_up_at = NULL RETURNING state")
    };
    let lease = match on {
        On::Sqlite => "'2026-01-30T02:00:00.000000Z'",
        On::Postgres => "'2026-01-30T02:00:00Z'",
    };
    world.texts(&set("charging", lease)).await;
    let before = look_ups(&world);
    let id = payment_id(&world).await;
    for (number, kind) in [NoticeKind::Paid, NoticeKind::Failed, NoticeKind::GivenBack].into_iter().enumerate() {
        tell(&world, of_payment(&format!("wh-{number}"), kind, &id)).await;
    }
    assert_eq!(look_ups(&world), before);
    assert_eq!(left(&world).await, vec!["pending: our own charge was under way"; 3]);
}

async fn nothing_is_sent_again_by_hearing(on: On) {
    let world = world(on, KEY).await;
    world.subscribe("lost", "bk-lost-on-its-way").await;
    world.rule(When::Subscription(SUB.to_owned()), Trouble::Pending { secs: 30, then_paid: true });
    world.rule(When::Subscription("lost".to_owned()), Trouble::RequestLost);
    assert_eq!(world.run().await.unknown, 2);
    world.simulator.model().clear_rules();
    let lost = world.renewal("lost").await.payment_id;
    world.clock.pass(TimeDelta::minutes(11));
    assert_eq!(tell(&world, of_payment("wh-1", NoticeKind::Paid, &payment_id(&world).await)).await.adopted, 1);
    assert_eq!(world.attempts("lost").await[0].state, "open");
    assert!(world.charges("lost").is_empty(), "only a run sends");
    assert_eq!(world.run_after(TimeDelta::hours(1)).await.paid, 1);
    assert_eq!((world.charges("lost").len(), world.renewal("lost").await.payment_id), (1, lost));
}

async fn money_that_went_back_is_told_to_a_person_once(on: On) {
    let world = world(on, KEY).await;
    world.rule(When::Always, Trouble::Cancelled { secs: 60 });
    assert_eq!(world.run().await.paid, 1);
    world.clock.pass(TimeDelta::seconds(61));
    for number in 0..2 {
        tell(&world, of_payment(&format!("wh-{number}"), NoticeKind::GivenBack, &payment_id(&world).await)).await;
    }
    let told = world.told("renewal.review").await;
    assert_eq!((told.len(), told[0]["difference"]["kind"].as_str()), (1, Some("given_back")), "{told:?}");
    assert_eq!(world.renewal(SUB).await.state, "paid", "what it means for the period is a person's to say");
}

async fn a_body_that_lies_changes_nothing(on: On) {
    let world = world(on, "bk-insufficient").await;
    world.run().await;
    let before = world.renewal(SUB).await;
    assert_eq!((before.state.as_str(), before.decline_count), ("due", 1));
    for (number, kind) in NoticeKind::ALL.into_iter().take(3).enumerate() {
        tell(&world, of_payment(&format!("wh-{number}"), kind, &before.payment_id)).await;
    }
    assert_eq!(world.renewal(SUB).await, before);
    assert!(world.charges(SUB).is_empty());
}

async fn a_dispute_is_told_and_charges_nothing(on: On) {
    let world = world(on, KEY).await;
    assert_eq!(world.run().await.paid, 1);
    let id = payment_id(&world).await;
    for kind in [NoticeKind::Disputed, NoticeKind::DisputeResolved] {
        tell(&world, of_payment(&format!("wh-{}", kind.as_str()), kind, &id)).await;
    }
    let disputed = world.told("payment.disputed").await;
    assert_eq!((disputed.len(), disputed[0]["amount"].as_i64()), (1, Some(55_000)));
    assert_eq!(disputed[0]["payment_id"].as_str(), Some(&*id));
    assert_eq!(world.told("payment.dispute_resolved").await.len(), 1);
    assert_eq!((world.renewal(SUB).await.state.as_str(), world.charges(SUB).len()), ("paid", 1));
    let named = world.timeline(SUB).await.events.into_iter().filter(|event| event.kind.starts_with("payment.disp"));
    assert_eq!(named.count(), 2, "the subscription's timeline tells it");
}

async fn a_payment_that_nobody_knows_is_done_with(on: On) {
    let world = world(on, KEY).await;
    let heard = tell(&world, of_payment("wh-1", NoticeKind::Paid, "rn-of-nobody")).await;
    assert_eq!((heard.looked_up, heard.adopted), (1, 0));
    assert_eq!(left(&world).await, ["done: the gateway knows no such payment"]);
}

async fn a_gateway_that_does_not_answer_is_asked_again_until_it_does(on: On) {
    let world = world(on, KEY).await;
    world.rule(When::Always, Trouble::Pending { secs: 30, then_paid: true });
    world.run().await;
    world.clock.pass(TimeDelta::seconds(31));
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Error { status: 500 }).on(Route::LookUp));
    tell(&world, of_payment("wh-1", NoticeKind::Paid, &payment_id(&world).await)).await;
    assert!(left(&world).await[0].starts_with("pending: not looked up"), "{:?}", left(&world).await);
    assert_eq!(hear(&world).await.messages, 0, "not before its time");
    world.simulator.model().clear_rules();
    world.clock.pass(TimeDelta::seconds(10));
    assert_eq!(hear(&world).await.adopted, 1);
    assert_eq!(world.renewal(SUB).await.state, "paid");

    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Error { status: 500 }).on(Route::LookUp));
    world.store.keep_notices(&[of_payment("wh-2", NoticeKind::GivenBack, &payment_id(&world).await)]).await.unwrap();
    for _ in 0..60 {
        hear(&world).await;
        world.clock.pass(TimeDelta::minutes(30));
    }
    assert!(left(&world).await[1].starts_with("given_up: not looked up"), "{:?}", left(&world).await);
    world.clock.pass(TimeDelta::days(8));
    hear(&world).await;
    assert!(left(&world).await.is_empty(), "forgotten after a week");
}

async fn states(world: &World) -> Vec<String> {
    world.texts("SELECT state FROM billing_keys ORDER BY id").await
}

async fn a_deleted_key_is_gone_and_told_before_its_day(on: On) {
    let world = world(on, KEY).await;
    world.subscribe("other", "bk-2").await;
    world.simulator.model().set_key(KEY, KeyInfo { deleted: true, ..KeyInfo::default() });
    let at = instant("2026-01-30T00:59:00Z");
    for number in 0..2 {
        tell(&world, of_key(&format!("wh-{number}"), NoticeKind::KeyDeleted, KEY, at)).await;
    }
    let told = world.told("billing_key.missing").await;
    assert_eq!((told.len(), &told[0]["early"], &told[0]["key"]), (1, &true.into(), &"gone".into()), "{told:?}");
    let mut states = states(&world).await;
    states.sort();
    assert_eq!(states, ["unusable", "usable"]);
    let report = world.run().await;
    assert_eq!((report.paid, world.charges(SUB).len()), (1, 0), "the other one");
}

async fn a_key_that_is_issued_again_is_charged(on: On) {
    let world = world(on, "bk-lost").await;
    world.run().await;
    assert_eq!((states(&world).await, world.charges(SUB).len()), (vec!["unusable".to_owned()], 0));
    world.clock.pass(TimeDelta::minutes(5));
    let at = world.clock.now();
    let heard = tell(&world, of_key("wh-1", NoticeKind::KeyIssued, "bk-lost", at)).await;
    assert_eq!((heard.keys_back, states(&world).await), (1, vec!["usable".to_owned()]));
    world.run().await;
    assert_eq!(world.attempts(SUB).await.len(), 2, "it was tried again, by the rule of a key that arrives");
}

async fn an_old_message_does_not_bring_a_refused_key_back(on: On) {
    let world = world(on, "bk-lost").await;
    let issued_at = world.clock.now() - TimeDelta::minutes(3);
    world.run().await;
    for (number, at) in [Some(issued_at), None].into_iter().enumerate() {
        let notice =
            Notice { happened_at: at, ..of_key(&format!("wh-{number}"), NoticeKind::KeyIssued, "bk-lost", issued_at) };
        assert_eq!(tell(&world, notice).await.keys_back, 0);
    }
    let deleted = of_key("wh-3", NoticeKind::KeyDeleted, "bk-lost", world.clock.now() + TimeDelta::hours(1));
    assert_eq!(tell(&world, deleted).await.keys_back, 0, "that it was deleted makes no key good");
    assert_eq!(states(&world).await, ["unusable"]);
}

async fn a_key_is_not_gone_because_a_gateway_does_not_know_it(on: On) {
    let mut world = world(on, KEY).await;
    let told = Told { key: Some(BillingKeyStatus::NotFound), ..Told::by(&world.engine.gateway) };
    world.engine.gateway = Arc::new(told);
    tell(&world, of_key("wh-1", NoticeKind::KeyIssued, KEY, world.clock.now())).await;
    assert_eq!(states(&world).await, ["usable"], "another store's secret knows no key either");
    tell(&world, of_key("wh-2", NoticeKind::KeyDeleted, KEY, world.clock.now())).await;
    assert_eq!(states(&world).await, ["unusable"]);
}
