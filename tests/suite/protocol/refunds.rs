//! Money that nobody wants to have paid is given back: all of it, once, and only where the business said so.

use crate::told::{Gate, Told};
use crate::world::{On, World, instant};
use chrono::TimeDelta;
use renewd::clock::Clock;
use renewd::gateway::simulator::{CancelCall, Route, Rule, Trouble, When};
use renewd::store::{Paused, Switch};
use std::sync::Arc;
use std::time::Duration;

crate::on_both_databases! {
    late_money_after_a_cancellation_is_given_back_once,
    late_money_of_a_subscription_that_was_downgraded_is_given_back,
    late_money_of_a_period_that_is_still_wanted_buys_it,
    a_charge_under_way_when_its_customer_cancelled_is_given_back_and_extends_nothing,
    without_the_setting_such_a_charge_keeps_its_period,
    a_change_of_mind_does_not_charge_again_what_was_given_back,
    an_answer_that_is_lost_gives_back_once,
    a_run_that_ended_between_asking_and_recording_gives_back_once,
    what_was_given_back_by_hand_counts_as_given_back,
    a_part_given_back_by_hand_leaves_the_rest_to_a_person,
    cancelled_while_its_request_is_under_way_is_given_back_by_the_same_run,
    a_run_that_cannot_charge_gives_back_first,
    a_refusal_is_asked_again_and_then_shown_to_a_person,
    a_refusal_that_turns_is_given_back,
    a_promise_is_not_money_that_is_back,
    refused_credentials_do_not_count_as_a_try,
    who_may_not_give_back_may_still_charge,
    refunds_go_on_while_charging_is_paused,
}

const SUB: &str = "sub";
const BOTH: &[(&str, &str)] = &[("charge.refund_late", "true"), ("charge.refund_late_cancel", "true")];

/// Charged, PAY_PENDING for an hour, and cancelled within it.
async fn cancelled_while_charged(on: On, settings: &[(&'static str, &str)]) -> World {
    let world = World::with(on, settings).await;
    world.subscribe(SUB, "bk-pending").await;
    assert_eq!(world.run().await.unknown, 1);
    world.cancel(SUB).await;
    world
}

/// FAILED first, PAID two hours later, and cancelled in between.
async fn late_after_cancellation(on: On) -> World {
    let world = World::with(on, BOTH).await;
    world.subscribe(SUB, "bk").await;
    world.rule(When::Always, Trouble::LateApproval { secs: 7200 });
    assert_eq!(world.run().await.declined, 1);
    world.cancel(SUB).await;
    assert_eq!(world.run_after(TimeDelta::minutes(30)).await.canceled, 1);
    world
}

/// What the gateway gave back of the subscription's money, payment by payment.
fn given_back(world: &World) -> Vec<i64> {
    world.simulator.model().ledger().given_back().iter().map(|back| back.amount).collect()
}

fn taken(world: &World) -> Vec<i64> {
    world.charges(SUB).iter().map(|charge| charge.amount).collect()
}

async fn told(world: &World, kind: &str) -> usize {
    world.timeline(SUB).await.events.iter().filter(|event| event.kind == kind).count()
}

async fn late_money_after_a_cancellation_is_given_back_once(on: On) {
    let world = late_after_cancellation(on).await;
    let report = world.run_after(TimeDelta::hours(4)).await;
    assert_eq!((report.paid, report.review, report.refunded), (0, 0, 1));
    assert_eq!((report.amounts.len(), report.refunded_amounts["KRW"]), (0, 55_000));
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.renewals[0].state.as_str(), timeline.refunds[0].state.as_str()), ("refunded", "done"));
    assert_eq!((timeline.payments.len(), timeline.refunds[0].reason.as_str()), (1, "late"));
    assert_eq!(timeline.subscription.current_period_end, instant("2026-01-31T00:00:00+09:00"));
    for _ in 0..3 {
        assert_eq!(world.run_after(TimeDelta::days(8)).await.refunded, 0);
    }
    assert_eq!((taken(&world), given_back(&world)), (vec![55_000], vec![55_000]));
    assert_eq!((told(&world, "payment.refunded").await, told(&world, "renewal.paid").await), (1, 0));
    assert_eq!(world.simulator.model().ledger().requests(Route::Cancel), 1);
}

async fn late_money_of_a_subscription_that_was_downgraded_is_given_back(on: On) {
    let world = World::with(on, &[BOTH[0], BOTH[1], ("dunning.grace", "1day")]).await;
    world.subscribe(SUB, "bk").await;
    world.rule(When::Always, Trouble::LateApproval { secs: 7200 });
    world.clock.pass(TimeDelta::days(1));
    let report = world.run().await;
    assert_eq!((report.failed, report.downgraded), (1, 1));
    assert_eq!(world.run_after(TimeDelta::hours(7)).await.refunded, 1);
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.renewals[0].state.as_str(), timeline.subscription.tier.as_str()), ("refunded", "free"));
    assert_eq!((taken(&world), given_back(&world)), (vec![55_000], vec![55_000]));
}

async fn late_money_of_a_period_that_is_still_wanted_buys_it(on: On) {
    let world = World::with(on, BOTH).await;
    world.subscribe(SUB, "bk").await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::LateApproval { secs: 7200 }).times(1));
    assert_eq!(world.run().await.declined, 1);
    world.run_after(TimeDelta::days(1)).await;
    assert_eq!((world.renewal(SUB).await.state.as_str(), taken(&world)), ("paid", vec![55_000]));
    assert!(given_back(&world).is_empty());
}

async fn a_charge_under_way_when_its_customer_cancelled_is_given_back_and_extends_nothing(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    let report = world.run_after(TimeDelta::hours(2)).await;
    assert_eq!((report.paid, report.canceled, report.refunded), (0, 1, 1));
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.renewals[0].state.as_str(), timeline.attempts[0].state.as_str()), ("refunded", "paid"));
    assert!(timeline.renewals[0].canceled_during_charge);
    assert_eq!(timeline.refunds[0].reason, "canceled_during_charge");
    assert_eq!((taken(&world), given_back(&world)), (vec![55_000], vec![55_000]));
    let access = &timeline.subscription;
    assert_eq!((access.tier.as_str(), access.access_until), ("pro", instant("2026-01-31T00:00:00+09:00")));
    assert_eq!(world.run_after(TimeDelta::days(1)).await.downgraded, 1, "it ends where it would have");
    assert_eq!((told(&world, "renewal.paid").await, told(&world, "renewal.canceled").await), (0, 1));
}

async fn without_the_setting_such_a_charge_keeps_its_period(on: On) {
    let world = cancelled_while_charged(on, &[("charge.refund_late", "true")]).await;
    assert_eq!(world.run_after(TimeDelta::hours(2)).await.paid, 1);
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"));
    assert!(given_back(&world).is_empty());
}

async fn a_change_of_mind_does_not_charge_again_what_was_given_back(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::RequestLost).on(Route::Cancel).times(1));
    let report = world.run_after(TimeDelta::hours(2)).await;
    assert_eq!((report.canceled, report.refunded), (1, 0), "not back yet");
    world.simulator.model().clear_rules();
    world.subscribe(SUB, "bk-pending").await;
    assert_eq!(world.run_after(TimeDelta::hours(1)).await.refunded, 1);
    world.run_after(TimeDelta::days(1)).await;
    assert_eq!((world.renewal(SUB).await.state.as_str(), taken(&world).len()), ("refunded", 1));
    assert_eq!(world.run_after(TimeDelta::days(8)).await.downgraded, 1, "nobody keeps access for nothing");
}

async fn an_answer_that_is_lost_gives_back_once(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    let id = world.renewal(SUB).await.payment_id;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::AnswerLost).on(Route::Cancel).times(1));
    // The look-up that resolves the charge is answered, the one after asking is not.
    let lost = Rule::new(When::Payment(id), Trouble::RequestLost).on(Route::LookUp);
    world.clock.pass(TimeDelta::hours(2));
    let (report, ()) = tokio::join!(world.run(), async {
        while world.simulator.model().ledger().requests(Route::Cancel) == 0 {
            tokio::task::yield_now().await;
        }
        world.simulator.model().add_rule(lost);
    });
    assert_eq!((report.canceled, report.refunded), (1, 0), "{report:?}");
    world.simulator.model().clear_rules();
    let refund = world.timeline(SUB).await.refunds.remove(0);
    assert_eq!((refund.state.as_str(), refund.tries), ("requested", 1));
    // After three hours the gateway has forgotten the key.
    assert_eq!(world.run_after(TimeDelta::hours(4)).await.refunded, 1);
    assert_eq!(given_back(&world), [55_000]);
    assert_eq!(world.simulator.model().ledger().requests(Route::Cancel), 2);
}

async fn a_run_that_ended_between_asking_and_recording_gives_back_once(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    world.clock.pass(TimeDelta::hours(2));
    world
        .simulator
        .model()
        .add_rule(Rule::new(When::Always, Trouble::Delay { millis: 30_000 }).on(Route::Cancel).times(1));
    tokio::select! {
        report = world.run() => panic!("it came to its end: {report:?}"),
        () = async { while given_back(&world).is_empty() { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
    }
    assert_eq!(world.timeline(SUB).await.refunds[0].state, "wanted", "nothing was recorded");
    assert_eq!(world.run_after(TimeDelta::minutes(1)).await.refunded, 1);
    assert_eq!((taken(&world), given_back(&world)), (vec![55_000], vec![55_000]));
}

/// The gateway does not answer once, and meanwhile somebody gives back `amount` in its console.
async fn given_back_by_hand(on: On, amount: i64) -> World {
    let world = cancelled_while_charged(on, BOTH).await;
    let down = Rule::new(When::Always, Trouble::ErrorBefore { status: 500 }).on(Route::Cancel);
    world.simulator.model().add_rule(down.times(1));
    assert_eq!(world.run_after(TimeDelta::hours(2)).await.refunded, 0);
    let id = world.renewal(SUB).await.payment_id;
    let body = format!(r#"{{"reason":"by hand","amount":{amount}}}"#);
    let call = CancelCall { payment_id: &id, idempotency_key: None, body: body.as_bytes() };
    world.simulator.model().cancel(world.clock.now(), &call);
    world
}

async fn what_was_given_back_by_hand_counts_as_given_back(on: On) {
    let world = given_back_by_hand(on, 55_000).await;
    assert_eq!(world.run_after(TimeDelta::minutes(10)).await.refunded, 1);
    assert_eq!(given_back(&world), [55_000]);
}

/// Whoever gave back a part decided something that renewd does not know.
async fn a_part_given_back_by_hand_leaves_the_rest_to_a_person(on: On) {
    let world = given_back_by_hand(on, 100).await;
    assert_eq!(world.run_after(TimeDelta::minutes(10)).await.refunded, 0);
    world.run_after(TimeDelta::days(1)).await;
    assert_eq!(world.run_after(TimeDelta::days(4)).await.review, 1);
    assert_eq!((given_back(&world), world.renewal(SUB).await.state.as_str()), (vec![100], "review"));
}

async fn cancelled_while_its_request_is_under_way_is_given_back_by_the_same_run(on: On) {
    let mut world = World::with(on, BOTH).await;
    world.subscribe(SUB, "bk").await;
    let gate = Gate::closed();
    world.engine.gateway = Arc::new(Told { charged: Some(gate.clone()), ..Told::by(&world.engine.gateway) });
    let (report, ()) = tokio::join!(world.run(), async {
        while world.simulator.model().ledger().requests(Route::Charge) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.cancel(SUB).await;
        gate.open();
    });
    assert_eq!((report.paid, report.canceled, report.refunded), (0, 1, 1));
    assert_eq!((taken(&world), given_back(&world)), (vec![55_000], vec![55_000]));
}

/// What goes wrong with charges does not keep anybody's money.
async fn a_run_that_cannot_charge_gives_back_first(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::RequestLost).on(Route::Cancel).times(1));
    assert_eq!(world.run_after(TimeDelta::hours(2)).await.refunded, 0);
    world.subscribe("other", "bk-other").await;
    world.rule(When::Always, Trouble::Unauthorized);
    let report = world.run_after(TimeDelta::minutes(10)).await;
    assert_eq!((report.status.as_str(), report.refunded), ("failed", 1));
}

fn refusal() -> Rule {
    let trouble =
        Trouble::DeclineWith { code: "NOT_CANCELABLE_PAYMENT".into(), message: "취소할 수 없는 결제".into() };
    Rule::new(When::Always, trouble).on(Route::Cancel)
}

async fn a_refusal_is_asked_again_and_then_shown_to_a_person(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    world.simulator.model().add_rule(refusal());
    world.run_after(TimeDelta::hours(2)).await;
    let mut asked = vec![world.simulator.model().ledger().requests(Route::Cancel)];
    for hours in [0, 1, 1, 3, 12, 24, 24, 24] {
        assert_eq!(world.run_after(TimeDelta::hours(hours)).await.review, 0);
        asked.push(world.simulator.model().ledger().requests(Route::Cancel));
    }
    assert_eq!(asked, [1, 1, 2, 3, 3, 4, 5, 6, 7], "less and less often");
    let report = world.run_after(TimeDelta::hours(36)).await;
    assert_eq!((report.review, report.refunded), (1, 0));
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.renewals[0].state.as_str(), timeline.refunds[0].state.as_str()), ("review", "failed"));
    let reason = timeline.renewals[0].review_reason.clone().unwrap();
    assert!(reason.contains("not given back after 5 days") && reason.contains("PAID"), "{reason}");
    assert_eq!((told(&world, "renewal.review").await, told(&world, "payment.refunded").await), (1, 0));
    let before = world.simulator.model().ledger().requests(Route::Cancel);
    world.run_after(TimeDelta::days(2)).await;
    assert_eq!(world.simulator.model().ledger().requests(Route::Cancel), before, "a person has it now");
    assert!(given_back(&world).is_empty());
}

async fn a_refusal_that_turns_is_given_back(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    world.simulator.model().add_rule(refusal().times(1));
    assert_eq!(world.run_after(TimeDelta::hours(2)).await.refunded, 0);
    let note = world.timeline(SUB).await.refunds.remove(0).note.unwrap();
    assert!(note.contains("PG_PROVIDER") && note.contains("PAID with 0 given back"), "{note}");
    assert_eq!(world.run_after(TimeDelta::hours(1)).await.refunded, 0, "the same key, the same answer");
    assert_eq!(world.run_after(TimeDelta::hours(3)).await.refunded, 1);
    assert_eq!(given_back(&world), [55_000]);
}

/// 200 with `REQUESTED`, or even `SUCCEEDED`, says nothing: the look-up does.
async fn a_promise_is_not_money_that_is_back(on: On) {
    for status in ["REQUESTED", "SUCCEEDED", "FAILED"] {
        let world = cancelled_while_charged(on, BOTH).await;
        let stays = Trouble::CancellationStays { status: status.to_owned() };
        world.simulator.model().add_rule(Rule::new(When::Always, stays).times(1));
        assert_eq!(world.run_after(TimeDelta::hours(2)).await.refunded, 0, "{status}");
        assert_eq!(world.timeline(SUB).await.refunds[0].state, "requested");
        assert_eq!(world.run_after(TimeDelta::hours(4)).await.refunded, 1, "{status}");
    }
}

async fn who_may_not_give_back_may_still_charge(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    world.subscribe("other", "billing-key-other").await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Forbidden).on(Route::Cancel));
    let report = world.run_after(TimeDelta::hours(2)).await;
    assert_eq!((report.paid, report.refunded, report.problem), (1, 0, None), "one refusal stops nobody else");
    let refund = world.timeline(SUB).await.refunds.remove(0);
    assert_eq!((refund.state.as_str(), refund.tries), ("requested", 1));
}

async fn refused_credentials_do_not_count_as_a_try(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Unauthorized).on(Route::Cancel));
    assert_eq!(world.run_after(TimeDelta::hours(2)).await.refunded, 0);
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Unauthorized).on(Route::LookUp));
    let report = world.run_after(TimeDelta::hours(2)).await;
    assert!(report.problem.unwrap().contains("credentials"));
    let refund = world.timeline(SUB).await.refunds.remove(0);
    assert_eq!((refund.state.as_str(), refund.tries), ("requested", 1));
    world.simulator.model().clear_rules();
    // The gateway keeps its refusal under the refund's key for three hours.
    assert_eq!(world.run_after(TimeDelta::hours(2)).await.refunded, 1);
}

async fn refunds_go_on_while_charging_is_paused(on: On) {
    let world = cancelled_while_charged(on, BOTH).await;
    let paused = Paused { at: world.store.now().await.unwrap(), by: "ops".into(), reason: "a drill".into() };
    world.store.set_switch(&Switch { paused: Some(paused) }).await.unwrap();
    let report = world.run_after(TimeDelta::hours(2)).await;
    assert_eq!((report.refunded, report.canceled), (1, 1));
    assert_eq!(given_back(&world), [55_000]);
}
