//! `resolve`: a person's answer, held against the gateway's.

use super::{SUB, actions, hand, no_hurry, refused, state, taken};
use crate::world::{On, World, instant};
use chrono::TimeDelta;
use renewd::clock::Clock;
use renewd::domain::by_hand::resolve::Answer;
use renewd::engine::by_hand::{ByHandError, ResolveCommand, Resolved};
use renewd::gateway::simulator::{CancelCall, Route, Rule, Trouble, When};

crate::on_both_databases! {
    money_that_turned_up_is_accepted_and_gives_the_period,
    what_is_not_as_ordered_is_paid_by_nobodys_word,
    money_that_was_seen_once_is_not_denied_because_the_gateway_forgot_it,
    nothing_charged_ends_it_and_late_money_is_still_seen,
    nothing_charged_is_refused_while_the_gateway_says_paid,
    speaking_against_the_gateway_is_recorded_and_stays_so,
    given_back_in_the_console_is_refunded,
    a_retry_after_a_review_charges_once,
    a_retry_is_refused_where_there_is_money,
    no_answer_counts_while_the_gateway_is_silent,
    only_a_review_is_answered,
    money_found_by_the_sweep_between_look_and_answer_voids_the_answer,
    two_answers_at_once_count_once,
    a_cancelled_customer_is_not_charged_by_an_answer,
}

async fn resolve(world: &World, answer: Answer) -> Result<Resolved, ByHandError> {
    answered(world, answer, None).await
}

async fn against(world: &World, answer: Answer) -> Result<Resolved, ByHandError> {
    answered(world, answer, Some("PortOne's support says it is a test payment")).await
}

async fn answered(world: &World, answer: Answer, against: Option<&str>) -> Result<Resolved, ByHandError> {
    let command = ResolveCommand { id: SUB.to_owned(), answer, against: against.map(str::to_owned), hand: hand() };
    world.engine.resolve_by_hand(&command, &no_hurry()).await
}

/// Sent, and never answered for a week: a person must look.
async fn unknown_for_a_week(on: On, trouble: Trouble) -> World {
    let world = World::with(on, &[("dunning.grace", "30days")]).await;
    world.subscribe(SUB, "bk").await;
    world.simulator.model().add_rule(Rule::new(When::Always, trouble).on(Route::Charge));
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::RequestLost).on(Route::LookUp));
    assert_eq!(world.run().await.unknown, 1);
    for _ in 0..9 {
        world.run_after(TimeDelta::days(1)).await;
    }
    assert_eq!(state(&world).await, "review");
    world.simulator.model().clear_rules();
    world
}

async fn squatted(on: On) -> World {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-squatted").await;
    assert_eq!(world.run().await.review, 1);
    world
}

async fn money_that_turned_up_is_accepted_and_gives_the_period(on: On) {
    let world = unknown_for_a_week(on, Trouble::AnswerLost).await;
    let resolved = resolve(&world, Answer::Paid).await.unwrap();
    assert_eq!((resolved.renewal.state.as_str(), taken(&world)), ("paid", vec![55_000]));
    let timeline = world.timeline(SUB).await;
    assert_eq!(timeline.subscription.current_period_end, instant("2026-02-28T00:00:00+09:00"));
    assert!(timeline.payments[0].verified);
    assert_eq!(timeline.events.iter().filter(|event| event.kind == "renewal.paid").count(), 1);
    let done = &timeline.actions[0];
    assert_eq!((done.kind.as_str(), done.evidence.as_deref()), ("resolve", Some("ticket 7")));
    assert_eq!((&done.details["as"], &done.details["against_gateway"]), (&"paid".into(), &serde_json::Value::Null));
    assert!(done.details["gateway"].to_string().contains("PAID, as ordered"));
}

async fn what_is_not_as_ordered_is_paid_by_nobodys_word(on: On) {
    let world = squatted(on).await;
    for result in [resolve(&world, Answer::Paid).await, against(&world, Answer::Paid).await] {
        let said = refused(result);
        assert!(said.contains("not as ordered") && said.contains("renewd refund"), "{said}");
    }
    assert_eq!((state(&world).await.as_str(), actions(&world).await.len()), ("review", 0));
    assert_eq!(world.period_end(SUB).await, instant("2026-01-31T00:00:00+09:00"));
}

async fn money_that_was_seen_once_is_not_denied_because_the_gateway_forgot_it(on: On) {
    let world = squatted(on).await;
    world.rule(When::Always, Trouble::Hidden);
    world.clock.pass(TimeDelta::days(2));
    for answer in [Answer::NotCharged, Answer::Retry, Answer::Paid, Answer::Refunded] {
        let refusal = refused(resolve(&world, answer).await);
        assert!(refusal.contains("recorded here as PAID"), "{answer:?}: {refusal:?}");
    }
    assert_eq!(state(&world).await, "review");
    let refusal = refused(against(&world, Answer::Retry).await);
    assert!(refusal.contains("recorded here as PAID"), "nothing overrules that: {refusal:?}");
}

async fn nothing_charged_ends_it_and_late_money_is_still_seen(on: On) {
    let world = unknown_for_a_week(on, Trouble::RequestLost).await;
    let resolved = resolve(&world, Answer::NotCharged).await.unwrap();
    assert_eq!((resolved.renewal.state.as_str(), taken(&world).len()), ("failed", 0));
    assert!(resolved.renewal.next_look_up_at.is_some(), "it is looked up a few times more");
    assert!(world.attempts(SUB).await.iter().all(|attempt| attempt.state != "open"));
    assert_eq!(world.run().await.paid, 0);
}

async fn nothing_charged_is_refused_while_the_gateway_says_paid(on: On) {
    let world = unknown_for_a_week(on, Trouble::AnswerLost).await;
    for result in [resolve(&world, Answer::NotCharged).await, against(&world, Answer::NotCharged).await] {
        let said = refused(result);
        assert!(said.contains("it shows PAID, as ordered") && said.contains("--as paid"), "{said}");
    }
    for answer in [Answer::Refunded, Answer::Retry] {
        assert!(refused(resolve(&world, answer).await).contains("the gateway says otherwise"));
    }
    assert_eq!((state(&world).await.as_str(), actions(&world).await.len()), ("review", 0));
}

async fn speaking_against_the_gateway_is_recorded_and_stays_so(on: On) {
    let world = squatted(on).await;
    assert!(refused(resolve(&world, Answer::NotCharged).await).contains("--against-gateway"));
    let resolved = against(&world, Answer::NotCharged).await.unwrap();
    assert_eq!(resolved.renewal.state, "failed");
    assert!(actions(&world).await[0].details["against_gateway"].to_string().contains("test payment"));
    for _ in 0..4 {
        world.run_after(TimeDelta::days(2)).await;
    }
    assert_eq!(state(&world).await, "failed", "no later look-up undoes it");
    assert_eq!(world.period_end(SUB).await, instant("2026-01-31T00:00:00+09:00"));
}

async fn given_back_in_the_console_is_refunded(on: On) {
    let world = unknown_for_a_week(on, Trouble::AnswerLost).await;
    let id = world.renewal(SUB).await.payment_id;
    let call = CancelCall { payment_id: &id, idempotency_key: None, body: br#"{"reason":"console"}"# };
    world.simulator.model().cancel(world.clock.now(), &call);
    assert!(refused(resolve(&world, Answer::NotCharged).await).contains("--as refunded"));
    let resolved = resolve(&world, Answer::Refunded).await.unwrap();
    assert_eq!(resolved.renewal.state, "refunded");
    assert_eq!(world.period_end(SUB).await, instant("2026-01-31T00:00:00+09:00"), "it bought nothing");
    for _ in 0..3 {
        assert_eq!(world.run_after(TimeDelta::days(2)).await.paid, 0);
    }
    assert_eq!(taken(&world).len(), 1);
}

async fn a_retry_after_a_review_charges_once(on: On) {
    let world = unknown_for_a_week(on, Trouble::RequestLost).await;
    let resolved = resolve(&world, Answer::Retry).await.unwrap();
    assert_eq!((resolved.renewal.state.as_str(), taken(&world)), ("paid", vec![55_000]));
    assert_eq!(resolved.retried.unwrap().attempts.len(), 1);
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"));
    assert_eq!(actions(&world).await.len(), 1);
}

async fn a_retry_is_refused_where_there_is_money(on: On) {
    let world = squatted(on).await;
    for result in [resolve(&world, Answer::Retry).await, against(&world, Answer::Retry).await] {
        assert!(refused(result).contains("the gateway says otherwise"));
    }
    assert_eq!(world.simulator.model().ledger().requests(Route::Charge), 1);
}

async fn no_answer_counts_while_the_gateway_is_silent(on: On) {
    let world = squatted(on).await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::RequestLost).on(Route::LookUp));
    for answer in [Answer::Paid, Answer::NotCharged, Answer::Refunded, Answer::Retry] {
        assert!(refused(against(&world, answer).await).contains("could not be looked up"), "{answer:?}");
    }
    assert_eq!(state(&world).await, "review");
}

async fn only_a_review_is_answered(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.run().await;
    for answer in [Answer::Paid, Answer::NotCharged, Answer::Refunded, Answer::Retry] {
        assert!(refused(against(&world, answer).await).contains("is paid, not under review"), "{answer:?}");
    }
}

/// Nothing is there when the person looks; then the money is, and a run's sweep records it; then the person's word arrives.
async fn money_found_by_the_sweep_between_look_and_answer_voids_the_answer(on: On) {
    use crate::told::{Gate, Told};
    use renewd::domain::payment::PaymentStatus;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let world = unknown_for_a_week(on, Trouble::AnswerLost).await;
    let gate = Gate::closed();
    // For the person the gateway is a while behind.
    let behind = Arc::new(AtomicBool::new(true));
    let told = Told {
        payment: Box::new({
            let behind = Arc::clone(&behind);
            move |payment| {
                if behind.load(Ordering::SeqCst) {
                    payment.status = PaymentStatus::Failed;
                }
            }
        }),
        looked_up: Some(gate.clone()),
        ..Told::by(&world.engine.gateway)
    };
    let slow = renewd::engine::Engine {
        gateway: Arc::new(told),
        store: Arc::clone(&world.store),
        clock: Arc::clone(&world.engine.clock),
        chance: Arc::clone(&world.engine.chance),
        policy: Arc::clone(&world.engine.policy),
        limits: world.engine.limits.clone(),
        progress: Arc::clone(&world.engine.progress),
        meter: Arc::clone(&world.engine.meter),
    };
    let before = world.simulator.model().ledger().requests(Route::LookUp);
    let command = ResolveCommand { id: SUB.to_owned(), answer: Answer::NotCharged, against: None, hand: hand() };
    let stop = no_hurry();
    let (answer, ()) = tokio::join!(slow.resolve_by_hand(&command, &stop), async {
        while world.simulator.model().ledger().requests(Route::LookUp) == before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        world.run_after(TimeDelta::days(1)).await;
        gate.open();
    });
    let said = refused(answer);
    assert!(said.contains("changed while this was decided"), "{said}");
    assert_eq!((state(&world).await.as_str(), actions(&world).await.len()), ("review", 0));
    behind.store(false, Ordering::SeqCst);
    assert_eq!(resolve(&world, Answer::Paid).await.unwrap().renewal.state, "paid");
}

async fn two_answers_at_once_count_once(on: On) {
    let world = unknown_for_a_week(on, Trouble::AnswerLost).await;
    let (one, other) = tokio::join!(resolve(&world, Answer::Paid), resolve(&world, Answer::Paid));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!((state(&world).await.as_str(), actions(&world).await.len()), ("paid", 1));
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"));
}

async fn a_cancelled_customer_is_not_charged_by_an_answer(on: On) {
    let world = unknown_for_a_week(on, Trouble::RequestLost).await;
    world.cancel(SUB).await;
    assert!(refused(resolve(&world, Answer::Retry).await).contains("cancelled by the customer"));
    let resolved = resolve(&world, Answer::NotCharged).await.unwrap();
    assert_eq!((resolved.renewal.state.as_str(), taken(&world).len()), ("canceled", 0));
}
