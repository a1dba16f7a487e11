//! `refund`: whole or in part, once, and no more than was paid.

use super::{SUB, actions, given_back, hand, no_hurry, refused, state};
use crate::world::{On, World, instant};
use chrono::TimeDelta;
use renewd::clock::Clock;
use renewd::domain::by_hand::refund::RefundAsk;
use renewd::engine::by_hand::{ByHandError, RefundCommand, Refunded};
use renewd::engine::reconcile::ReconcileRequest;
use renewd::gateway::simulator::{CancelCall, Route, Rule, Trouble, When};

crate::on_both_databases! {
    all_of_it_is_given_back_and_the_period_stays,
    a_part_leaves_it_paid_and_the_rest_makes_it_refunded,
    the_same_command_twice_gives_back_once,
    another_one_of_the_same_sum_needs_a_name_of_its_own,
    never_more_than_is_left_whoever_gave_back_the_rest,
    two_at_once_give_back_once,
    an_answer_that_is_lost_is_asked_again_and_gives_back_once,
    a_part_that_went_through_unseen_is_not_given_back_twice,
    somebody_else_giving_back_meanwhile_ends_it_before_a_person,
    what_took_no_money_is_refused,
    what_may_still_be_charged_is_settled_first,
    what_was_given_back_is_never_charged_again_and_reconciles,
    a_squatters_money_is_given_back_from_review,
    money_that_is_not_recorded_yet_is_settled_first,
}

async fn refund(world: &World, id: &str, ask: RefundAsk) -> Result<Refunded, ByHandError> {
    world.engine.refund_by_hand(&RefundCommand { payment_id: id.to_owned(), ask, hand: hand() }, &no_hurry()).await
}

fn whole() -> RefundAsk {
    RefundAsk { amount: None, reference: None, reason: "goodwill".to_owned() }
}

fn part(amount: i64) -> RefundAsk {
    RefundAsk { amount: Some(amount), ..whole() }
}

fn named(amount: i64, reference: &str) -> RefundAsk {
    RefundAsk { reference: Some(reference.to_owned()), ..part(amount) }
}

/// Paid, and the payment's id.
async fn paid(on: On) -> (World, String) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    assert_eq!(world.run().await.paid, 1);
    let id = world.renewal(SUB).await.payment_id;
    world.clock.pass(TimeDelta::hours(1));
    (world, id)
}

async fn all_of_it_is_given_back_and_the_period_stays(on: On) {
    let (world, id) = paid(on).await;
    let refunded = refund(&world, &id, whole()).await.unwrap();
    assert_eq!((refunded.refund.state.as_str(), refunded.renewal.state.as_str()), ("done", "refunded"));
    assert_eq!((given_back(&world), refunded.refund.reason.as_str()), (vec![55_000], "by_hand"));
    let timeline = world.timeline(SUB).await;
    assert_eq!(timeline.subscription.current_period_end, instant("2026-02-28T00:00:00+09:00"), "what was given stays");
    assert_eq!(timeline.subscription.status, "active");
    let told: Vec<&str> = timeline.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(told.iter().filter(|kind| **kind == "payment.refunded").count(), 1, "{told:?}");
    let done = &timeline.actions[0];
    assert_eq!((done.kind.as_str(), done.payment_id.as_deref()), ("refund", Some(id.as_str())));
    assert_eq!((&done.details["amount"], &done.details["left"]), (&55_000.into(), &0.into()));
    assert!(refused(refund(&world, &id, whole()).await).contains("given back already"));
}

async fn a_part_leaves_it_paid_and_the_rest_makes_it_refunded(on: On) {
    let (world, id) = paid(on).await;
    let first = refund(&world, &id, part(5_000)).await.unwrap();
    assert_eq!((first.refund.state.as_str(), first.renewal.state.as_str()), ("done", "paid"));
    assert_eq!(first.refund.left_after, 50_000);
    let second = refund(&world, &id, part(10_000)).await.unwrap();
    assert_eq!((second.refund.number, second.renewal.state.as_str()), (2, "paid"));
    let rest = refund(&world, &id, whole()).await.unwrap();
    assert_eq!((rest.refund.amount, rest.renewal.state.as_str()), (40_000, "refunded"));
    assert_eq!(given_back(&world), [5_000, 10_000, 40_000]);
}

async fn the_same_command_twice_gives_back_once(on: On) {
    let (world, id) = paid(on).await;
    refund(&world, &id, part(5_000)).await.unwrap();
    let said = refused(refund(&world, &id, part(5_000)).await);
    assert!(
        said.contains("5,000 KRW") && said.contains("given back already") && said.contains("--reference"),
        "{said}"
    );
    assert_eq!((given_back(&world), actions(&world).await.len()), (vec![5_000], 1));
}

async fn another_one_of_the_same_sum_needs_a_name_of_its_own(on: On) {
    let (world, id) = paid(on).await;
    refund(&world, &id, part(5_000)).await.unwrap();
    refund(&world, &id, named(5_000, "ticket 8")).await.unwrap();
    assert!(refused(refund(&world, &id, named(7_000, "ticket 8")).await).contains("(reference ticket 8)"));
    assert_eq!(given_back(&world), [5_000, 5_000]);
}

fn in_the_console(world: &World, id: &str, amount: i64) {
    let body = format!(r#"{{"reason":"console","amount":{amount}}}"#);
    let call = CancelCall { payment_id: id, idempotency_key: None, body: body.as_bytes() };
    world.simulator.model().cancel(world.clock.now(), &call);
}

async fn never_more_than_is_left_whoever_gave_back_the_rest(on: On) {
    let (world, id) = paid(on).await;
    for amount in [55_001, 0, -5] {
        assert!(refused(refund(&world, &id, part(amount)).await).contains("55,000 KRW of 55,000 KRW are left"));
    }
    in_the_console(&world, &id, 50_000);
    assert!(refused(refund(&world, &id, part(5_001)).await).contains("5,000 KRW of 55,000 KRW are left"));
    let rest = refund(&world, &id, whole()).await.unwrap();
    assert_eq!((rest.refund.amount, rest.renewal.state.as_str()), (5_000, "refunded"));
    assert_eq!(given_back(&world), [50_000, 5_000]);
}

async fn two_at_once_give_back_once(on: On) {
    let (world, id) = paid(on).await;
    let (one, other) =
        tokio::join!(refund(&world, &id, named(5_000, "one")), refund(&world, &id, named(5_000, "other")));
    let went = [&one, &other].iter().filter(|result| result.is_ok()).count();
    assert_eq!(given_back(&world).len(), went, "{one:?} {other:?}");
    let (one, other) = tokio::join!(refund(&world, &id, part(1_000)), refund(&world, &id, part(1_000)));
    assert!(one.is_ok() != other.is_ok(), "the same one: {one:?} {other:?}");
    assert_eq!(given_back(&world).iter().filter(|amount| **amount == 1_000).count(), 1);
}

async fn an_answer_that_is_lost_is_asked_again_and_gives_back_once(on: On) {
    let (world, id) = paid(on).await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::RequestLost).on(Route::Cancel).times(1));
    let refunded = refund(&world, &id, part(5_000)).await.unwrap();
    assert_eq!((refunded.refund.state.as_str(), refunded.refund.tries), ("requested", 1));
    assert!(refused(refund(&world, &id, part(6_000)).await).contains("under way already"));
    assert_eq!(world.run_after(TimeDelta::hours(4)).await.refunded, 1);
    assert_eq!((given_back(&world), state(&world).await.as_str()), (vec![5_000], "paid"));
}

/// The gateway did it and nobody heard; its idempotency keys are forgotten by the next try.
async fn a_part_that_went_through_unseen_is_not_given_back_twice(on: On) {
    let (world, id) = paid(on).await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::AnswerLost).on(Route::Cancel).times(1));
    let late = Rule::new(When::Payment(id.clone()), Trouble::RequestLost).on(Route::LookUp);
    let (refunded, ()) = tokio::join!(refund(&world, &id, part(5_000)), async {
        while world.simulator.model().ledger().requests(Route::Cancel) == 0 {
            tokio::task::yield_now().await;
        }
        world.simulator.model().add_rule(late);
    });
    assert_eq!(refunded.unwrap().refund.state, "requested");
    assert_eq!(given_back(&world), [5_000]);
    world.simulator.model().clear_rules();
    assert_eq!(world.run_after(TimeDelta::hours(4)).await.refunded, 1);
    assert_eq!((given_back(&world), world.timeline(SUB).await.refunds[0].state.as_str()), (vec![5_000], "done"));
}

async fn somebody_else_giving_back_meanwhile_ends_it_before_a_person(on: On) {
    let (world, id) = paid(on).await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::RequestLost).on(Route::Cancel).times(1));
    refund(&world, &id, part(5_000)).await.unwrap();
    in_the_console(&world, &id, 700);
    world.run_after(TimeDelta::hours(1)).await;
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.refunds[0].state.as_str(), given_back(&world)), ("failed", vec![700]));
    assert!(timeline.refunds[0].note.as_deref().unwrap().contains("somebody else"));
    assert_eq!(timeline.renewals[0].state, "paid", "what was paid stays paid");
    let said = refused(refund(&world, &id, part(5_000)).await);
    assert!(said.contains("could not be given back before") && said.contains("--reference"), "{said}");
    assert_eq!(refund(&world, &id, named(5_000, "again")).await.unwrap().refund.state, "done");
}

async fn what_took_no_money_is_refused(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-lost").await;
    world.run().await;
    assert!(matches!(refund(&world, "rn-nobody", whole()).await, Err(ByHandError::NotFound(_))));
    world.run_after(TimeDelta::days(9)).await;
    let renewal = world.renewal(SUB).await;
    assert_eq!(renewal.state, "failed");
    assert!(refused(refund(&world, &renewal.payment_id, whole()).await).contains("took no money"));
    assert!(refused(refund(&world, &renewal.id, whole()).await).contains("is no payment id"));
    assert!(actions(&world).await.is_empty());
}

async fn what_may_still_be_charged_is_settled_first(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-pending").await;
    world.run().await;
    let id = world.renewal(SUB).await.payment_id;
    assert!(refused(refund(&world, &id, whole()).await).contains("may still be charged"));
}

async fn what_was_given_back_is_never_charged_again_and_reconciles(on: On) {
    use renewd::engine::reconcile::ReconcileRequest;
    let (world, id) = paid(on).await;
    refund(&world, &id, part(5_000)).await.unwrap();
    refund(&world, &id, whole()).await.unwrap();
    let now = world.clock.now();
    let request = ReconcileRequest {
        trigger: "test".to_owned(),
        actor: "test".to_owned(),
        from: now - TimeDelta::days(1),
        until: now,
    };
    let report = world.engine.reconcile(&request, &no_hurry()).await.unwrap();
    assert_eq!((report.agreed, report.needs_a_look()), (1, false), "{report:?}");
    for _ in 0..3 {
        assert_eq!(world.run_after(TimeDelta::days(2)).await.paid, 0);
    }
    assert_eq!(world.charges(SUB).len(), 1);
}

async fn a_squatters_money_is_given_back_from_review(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-squatted").await;
    assert_eq!(world.run().await.review, 1);
    let id = world.renewal(SUB).await.payment_id;
    let refunded = refund(&world, &id, whole()).await.unwrap();
    assert_eq!((refunded.refund.state.as_str(), refunded.renewal.state.as_str()), ("done", "refunded"));
}

async fn money_that_is_not_recorded_yet_is_settled_first(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-late").await;
    assert_eq!(world.run().await.declined, 1);
    world.cancel(SUB).await;
    world.run_after(TimeDelta::minutes(5)).await;
    assert_eq!(state(&world).await, "canceled");
    // Approved after all, an hour later: only the gateway knows.
    world.clock.pass(TimeDelta::hours(2));
    let id = world.renewal(SUB).await.payment_id;
    let why = refused(refund(&world, &id, part(5_000)).await);
    assert!(why.contains("no money under") && why.contains("renewd reconcile --from 2026-01-30"), "{why}");
    assert_eq!(given_back(&world), Vec::<i64>::new());
    let now = world.clock.now();
    let asked = ReconcileRequest {
        trigger: "test".to_owned(),
        actor: "test".to_owned(),
        from: now - TimeDelta::days(1),
        until: now,
    };
    world.engine.reconcile(&asked, &no_hurry()).await.unwrap();
    assert_eq!(world.timeline(SUB).await.payments.len(), 1, "recorded");
    refund(&world, &id, part(5_000)).await.unwrap();
    assert_eq!(given_back(&world), [5_000]);
}
