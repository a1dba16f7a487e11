//! What the charge's own answer adds to what a look-up says.

use crate::world::{On, World, instant};
use chrono::TimeDelta;
use renewd::gateway::simulator::{Rule, Trouble, When};

crate::on_both_databases! {
    already_paid_is_looked_up_and_believed_only_then,
    money_that_came_after_a_decline_is_found_before_the_renewal_fails,
    a_key_that_is_gone_is_a_hard_decline,
    a_used_up_payment_id_goes_on_under_the_next_a_day_later,
    refusals_that_are_not_the_customers_go_to_a_person,
    an_outstanding_request_is_repeated_the_same,
    to_slow_down_is_not_an_attempt,
    to_slow_down_for_an_hour_leaves_it_due,
    what_only_our_configuration_can_mend_is_not_the_customers,
    no_answer_is_looked_up_and_never_charged_twice,
    a_status_code_never_decides,
    an_answer_that_is_lost_for_good_is_found_by_the_next_run,
    a_refusal_does_not_hide_money_that_came_late,
}

const SUB: &str = "sub";

async fn world(on: On, billing_key: &str) -> World {
    let world = World::new(on).await;
    world.subscribe(SUB, billing_key).await;
    world
}

/// A late approval: the first attempt failed, and its money came an hour later. The second attempt hears ALREADY_PAID.
async fn already_paid_is_looked_up_and_believed_only_then(on: On) {
    let world = world(on, "bk-late").await;
    assert_eq!(world.run().await.declined, 1);
    let report = world.run_after(TimeDelta::days(1)).await;
    assert_eq!(report.paid, 1);
    assert_eq!((world.charges(SUB).len(), world.attempts(SUB).await.len()), (1, 2));
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"));
}

/// The approval came after the last attempt that there was time for, and no run looked before the grace was over.
async fn money_that_came_after_a_decline_is_found_before_the_renewal_fails(on: On) {
    let world = world(on, "bk-late").await;
    assert_eq!(world.run().await.declined, 1);
    let report = world.run_after(TimeDelta::days(9)).await;
    assert_eq!((report.paid, report.failed, report.downgraded), (1, 0, 0));
    assert_eq!(world.renewal(SUB).await.state, "paid");
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"));
    let told = world.timeline(SUB).await.events;
    assert!(told.iter().all(|event| event.kind != "renewal.failed"), "{told:?}");
}

async fn a_key_that_is_gone_is_a_hard_decline(on: On) {
    for ending in ["deleted", "unknown-key"] {
        let world = world(on, &format!("bk-{ending}")).await;
        let report = world.run().await;
        assert_eq!((report.declined, report.declined_by_reason["invalid_billing_key"]), (1, 1), "{ending}");
        let timeline = world.timeline(SUB).await;
        assert_eq!((timeline.renewals[0].state.as_str(), timeline.renewals[0].waits_for_key), ("due", true));
        assert_eq!(timeline.subscription.billing_key_state, "unusable", "{ending}");
        let told: Vec<&str> = timeline.events.iter().map(|event| event.kind.as_str()).collect();
        assert!(told.contains(&"billing_key.missing"), "{ending}: {told:?}");
        assert!(world.charges(SUB).is_empty());
    }
}

async fn a_used_up_payment_id_goes_on_under_the_next_a_day_later(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    let declined = Trouble::Decline { name: "insufficient".to_owned() };
    world.simulator.model().add_rule(Rule::new(When::Always, declined).times(1));
    world.run().await;
    let first = world.renewal(SUB).await.payment_id;
    world.rule(When::Payment(first.clone()), Trouble::MaxTransactions);
    let report = world.run_after(TimeDelta::days(1)).await;
    assert_eq!((report.declined, report.review, report.unknown), (0, 0, 1), "not the customer's doing");
    let renewal = world.renewal(SUB).await;
    assert_eq!((renewal.state.as_str(), renewal.payment_id == first), ("unknown", true), "an approval may come late");

    world.run_after(TimeDelta::hours(12)).await;
    assert_eq!(world.renewal(SUB).await.payment_id, first, "not before a day is over");
    assert_eq!(world.run_after(TimeDelta::hours(12)).await.paid, 1, "the gateway still shows that it failed");
    let charges = world.charges(SUB);
    assert_eq!((charges.len(), charges[0].payment_id == first), (1, false));
    assert_eq!(world.renewal(SUB).await.payment_id, charges[0].payment_id);
}

async fn refusals_that_are_not_the_customers_go_to_a_person(on: On) {
    for (trouble, word) in [
        (Trouble::ScheduleExists, "PAYMENT_SCHEDULE_ALREADY_EXISTS"),
        (Trouble::InvalidRequest, "INVALID_REQUEST"),
        (Trouble::SumOfParts, "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT"),
    ] {
        let world = world(on, "bk").await;
        world.rule(When::Always, trouble);
        assert_eq!(world.run().await.review, 1, "{word}");
        let timeline = world.timeline(SUB).await;
        assert_eq!(timeline.renewals[0].decline_count, 0, "{word}");
        assert_eq!(timeline.attempts[0].state, "refused", "{word}");
        assert!(timeline.renewals[0].review_reason.as_ref().unwrap().contains(word));
        assert!(world.charges(SUB).is_empty());
    }
}

async fn an_outstanding_request_is_repeated_the_same(on: On) {
    let world = world(on, "bk").await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Outstanding).times(2));
    assert_eq!(world.run().await.paid, 1);
    assert_eq!((world.charges(SUB).len(), world.attempts(SUB).await.len()), (1, 1));
}

async fn to_slow_down_is_not_an_attempt(on: On) {
    let world = world(on, "bk").await;
    let slow = Trouble::RateLimited { retry_after: Some("1".to_owned()) };
    world.simulator.model().add_rule(Rule::new(When::Always, slow).times(2));
    assert_eq!(world.run().await.paid, 1);
    assert_eq!((world.charges(SUB).len(), world.attempts(SUB).await.len()), (1, 1));
}

async fn no_answer_is_looked_up_and_never_charged_twice(on: On) {
    for ending in ["timeout", "cut", "error", "html502", "garbage", "huge", "request-lost-once", "error-before-once"] {
        let world = world(on, &format!("bk-{ending}")).await;
        let report = world.run().await;
        assert_eq!((report.paid, report.unknown), (1, 0), "{ending}");
        assert_eq!((world.charges(SUB).len(), world.attempts(SUB).await.len()), (1, 1), "{ending}");
    }
}

/// 502 is an ordinary decline with PortOne's type, and nothing at all without.
async fn a_status_code_never_decides(on: On) {
    let declined = world(on, "bk-insufficient").await;
    assert_eq!(declined.run().await.declined, 1);
    let broken = world(on, "bk-html502").await;
    assert_eq!(broken.run().await.paid, 1);
}

async fn an_answer_that_is_lost_for_good_is_found_by_the_next_run(on: On) {
    let world = world(on, "bk-timeout").await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Hidden).times(20));
    assert_eq!(world.run().await.unknown, 1);
    assert_eq!(world.charges(SUB).len(), 1);
    world.simulator.model().clear_rules();
    let report = world.run_after(TimeDelta::minutes(2)).await;
    assert_eq!((report.paid, report.taken_over), (1, 0), "its own look-up; no process is gone");
    assert_eq!(world.charges(SUB).len(), 1);
    assert_eq!(world.renewal(SUB).await.state, "paid");
}

async fn to_slow_down_for_an_hour_leaves_it_due(on: On) {
    let world = world(on, "bk").await;
    world.rule(When::Always, Trouble::RateLimited { retry_after: Some("3600".to_owned()) });
    let report = world.run().await;
    assert_eq!((report.status.as_str(), report.paid, report.left_due), ("failed", 0, 1));
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.renewals[0].state.as_str(), timeline.renewals[0].attempt_count), ("due", 0), "not an attempt");
    assert_eq!(timeline.attempts[0].state, "not_charged");
    world.simulator.model().clear_rules();
    assert_eq!(world.run_after(TimeDelta::hours(1)).await.paid, 1);
    assert_eq!(world.charges(SUB).len(), 1);
}

/// Inicis wants name, phone and email: what is missing is found before the charge, and named.
async fn what_only_our_configuration_can_mend_is_not_the_customers(on: On) {
    let world = world(on, "bk").await;
    world.import(r#"{"type":"customer","id":"user-sub","name":"김하늘"}"#).await;
    world.import(r#"{"type":"billing_key","customer":"user-sub","billing_key":"bk","pg_provider":"INICIS_V2"}"#).await;
    assert_eq!(world.run().await.review, 1);
    let renewal = world.renewal(SUB).await;
    let reason = renewal.review_reason.unwrap();
    assert_eq!(reason, "INICIS_V2 demands customer.phone, customer.email: fill it in, then retry");
    assert!(world.attempts(SUB).await.is_empty() && world.charges(SUB).is_empty());
}

/// The refusal of the second attempt is not the last word: the first one's money came late.
async fn a_refusal_does_not_hide_money_that_came_late(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::LateApproval { secs: 7200 }).times(1));
    assert_eq!(world.run().await.declined, 1);
    world.rule(When::Always, Trouble::BillingKeyDeleted);
    assert_eq!(world.run_after(TimeDelta::days(1)).await.paid, 1);
    let timeline = world.timeline(SUB).await;
    assert_eq!((world.charges(SUB).len(), timeline.renewals[0].state.as_str()), (1, "paid"));
}
