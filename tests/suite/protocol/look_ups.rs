//! What a look-up says, and what is recorded for it.

use crate::world::{On, World, instant, key};
use chrono::TimeDelta;
use renewd::gateway::simulator::{Route, Rule, Trouble, When};

crate::on_both_databases! {
    paid_as_ordered_moves_the_period,
    paid_with_a_mismatch_goes_to_a_person_and_extends_nothing,
    a_soft_decline_is_tried_again_the_next_morning,
    a_hard_decline_waits_for_another_card_and_is_charged_at_once_with_it,
    another_card_waits_until_the_open_attempt_is_resolved,
    a_transient_decline_is_tried_again_the_same_day,
    a_decline_of_unknown_class_climbs_two_rungs,
    an_older_failure_is_not_this_attempts,
    what_is_pending_is_looked_up_until_it_is_paid,
    what_is_pending_and_fails_is_a_decline,
    what_the_gateway_never_received_is_sent_again_after_ten_minutes,
    what_a_look_up_does_not_see_yet_is_not_charged_again,
    what_was_given_back_goes_to_a_person,
    a_look_up_that_fails_leaves_the_outcome_unknown,
    a_failure_that_may_hide_a_success_is_not_a_decline,
    a_cancel_that_failed_at_the_payment_gateway_goes_to_a_person,
    a_request_that_the_payment_gateway_cannot_read_goes_to_a_person,
}

const SUB: &str = "sub";

async fn world(on: On, billing_key: &str) -> World {
    let world = World::new(on).await;
    world.subscribe(SUB, billing_key).await;
    world
}

async fn paid_as_ordered_moves_the_period(on: On) {
    let world = world(on, "bk").await;
    let report = world.run().await;
    assert_eq!((report.due, report.paid, report.amounts["KRW"]), (1, 1, 55_000));
    assert_eq!(world.charges(SUB).len(), 1);
    assert_eq!(world.renewal(SUB).await.state, "paid");
    assert_eq!(world.attempts(SUB).await[0].state, "paid");
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"), "the 31st, in a short month");

    let timeline = world.timeline(SUB).await;
    assert_eq!(timeline.payments[0].amount, Some(55_000));
    assert!(timeline.payments[0].verified);
    let told: Vec<&str> = timeline.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(told, ["renewal.paid"]);

    let again = world.run().await;
    assert_eq!((again.due, again.paid), (0, 0));
    assert_eq!(world.charges(SUB).len(), 1, "a run that is repeated charges nothing");
}

async fn paid_with_a_mismatch_goes_to_a_person_and_extends_nothing(on: On) {
    for (ending, part) in [
        ("other-amount", "amount"),
        ("other-currency", "currency"),
        ("other-store", "store"),
        ("test-channel", "channel type"),
        ("squatted", "amount, billing key, custom data"),
    ] {
        let world = world(on, &format!("bk-{ending}")).await;
        let report = world.run().await;
        let renewal = world.renewal(SUB).await;
        assert_eq!((report.review, renewal.state.as_str()), (1, "review"), "{ending}");
        let reason = renewal.review_reason.unwrap();
        assert_eq!(reason, format!("PAID at the gateway, but not as ordered: {part} differs"), "{ending}");
        assert_eq!(world.period_end(SUB).await, instant("2026-01-31T00:00:00+09:00"), "{ending}");
        assert!(!world.timeline(SUB).await.payments[0].verified, "{ending}");

        let charges = world.simulator.model().ledger().charges().len();
        world.run_after(TimeDelta::days(1)).await;
        assert_eq!(world.simulator.model().ledger().charges().len(), charges, "{ending}: never another charge");
    }
}

async fn a_soft_decline_is_tried_again_the_next_morning(on: On) {
    let world = world(on, "bk-insufficient-once").await;
    let report = world.run().await;
    assert_eq!((report.declined, report.declined_by_reason["insufficient_funds"]), (1, 1));
    assert!(world.charges(SUB).is_empty());
    let renewal = world.renewal(SUB).await;
    assert_eq!(renewal.state, "due");
    assert_eq!(renewal.next_attempt_at, Some(instant("2026-01-31T10:00:00+09:00")));

    let early = world.run_after(TimeDelta::hours(4)).await;
    assert_eq!(early.due, 0, "not before its time");
    let report = world.run_after(TimeDelta::hours(20)).await;
    assert_eq!(report.paid, 1);
    assert_eq!(world.charges(SUB).len(), 1);
    let attempts = world.attempts(SUB).await;
    assert_eq!(attempts[0].payment_id, attempts[1].payment_id, "one renewal, one payment id");
    assert_eq!(world.period_end(SUB).await, instant("2026-02-28T00:00:00+09:00"), "from the old end, not from today");
}

async fn a_hard_decline_waits_for_another_card_and_is_charged_at_once_with_it(on: On) {
    for ending in ["lost", "expired"] {
        let world = world(on, &format!("bk-{ending}")).await;
        world.run().await;
        let renewal = world.renewal(SUB).await;
        assert_eq!((renewal.state.as_str(), renewal.waits_for_key, renewal.next_attempt_at), ("due", true, None));
        assert_eq!(world.timeline(SUB).await.subscription.billing_key_state, "unusable");
        world.run_after(TimeDelta::days(2)).await;
        assert_eq!(world.attempts(SUB).await.len(), 1, "no further attempt with this card");

        world.import(&key(SUB, "bk-new")).await;
        let report = world.run_after(TimeDelta::minutes(1)).await;
        assert_eq!(report.paid, 1);
        assert_eq!(world.charges(SUB)[0].billing_key, "bk-new");
    }
}

/// An attempt keeps its card to its end, and nobody pays with both.
async fn another_card_waits_until_the_open_attempt_is_resolved(on: On) {
    for (ending, paid_with) in [("pending", "bk-pending"), ("pending-failed", "bk-new")] {
        let world = world(on, &format!("bk-{ending}")).await;
        assert_eq!(world.run().await.unknown, 1, "{ending}");
        world.clock.pass(TimeDelta::minutes(1));
        world.import(&key(SUB, "bk-new")).await;
        world.run_after(TimeDelta::minutes(1)).await;
        assert_eq!((world.attempts(SUB).await.len(), world.charges(SUB).len()), (1, 0), "{ending}: still under way");

        world.run_after(TimeDelta::hours(2)).await;
        world.run_after(TimeDelta::days(1)).await;
        let (charges, attempts) = (world.charges(SUB), world.attempts(SUB).await);
        let cards: Vec<&str> = charges.iter().map(|charge| charge.billing_key.as_str()).collect();
        assert_eq!(cards, [paid_with], "{ending}: {attempts:#?}");
        if let [first, second] = attempts.as_slice() {
            assert_eq!((first.number, first.state.as_str()), (1, "declined"), "{ending}");
            assert_eq!((second.number, second.state.as_str()), (2, "paid"), "{ending}");
            assert!(first.billing_key_id != second.billing_key_id, "{ending}");
        }
        assert_eq!(attempts.len(), if paid_with == "bk-new" { 2 } else { 1 }, "{ending}");
    }
}

async fn a_transient_decline_is_tried_again_the_same_day(on: On) {
    let world = world(on, "bk-maintenance-once").await;
    world.run().await;
    assert_eq!(world.renewal(SUB).await.next_attempt_at, Some(instant("2026-01-30T10:30:00+09:00")));
    assert_eq!(world.run_after(TimeDelta::minutes(30)).await.paid, 1);
    assert_eq!(world.charges(SUB).len(), 1);
}

async fn a_decline_of_unknown_class_climbs_two_rungs(on: On) {
    let world = world(on, "bk-refer").await;
    world.run().await;
    assert_eq!(world.attempts(SUB).await[0].decline_class.as_deref(), Some("unknown"));
    world.run_after(TimeDelta::days(1)).await;
    world.run_after(TimeDelta::days(2)).await;
    let renewal = world.renewal(SUB).await;
    assert_eq!((renewal.state.as_str(), renewal.attempt_count), ("failed", 3));
    assert!(world.charges(SUB).is_empty());
    assert_eq!(world.timeline(SUB).await.subscription.status, "downgraded");
}

async fn an_older_failure_is_not_this_attempts(on: On) {
    let world = world(on, "bk-insufficient-once").await;
    world.run().await;
    world.clock.pass(TimeDelta::days(1));
    // The second attempt is paid, and look-ups still see the first one's failure.
    world.rule(When::Always, Trouble::Stale);
    let report = world.run().await;
    assert_eq!((report.paid, report.declined, report.unknown), (0, 0, 1));
    let renewal = world.renewal(SUB).await;
    assert_eq!((renewal.state.as_str(), renewal.decline_count), ("unknown", 1), "no decline is invented");

    world.simulator.model().clear_rules();
    assert_eq!(world.run_after(TimeDelta::minutes(2)).await.paid, 1);
    assert_eq!(world.charges(SUB).len(), 1);
}

async fn what_is_pending_is_looked_up_until_it_is_paid(on: On) {
    for ending in ["pending", "ready"] {
        let world = world(on, &format!("bk-{ending}")).await;
        let report = world.run().await;
        assert_eq!((report.unknown, world.renewal(SUB).await.state.as_str()), (1, "unknown"));
        assert_eq!(world.attempts(SUB).await[0].state, "open", "no other attempt may start");
        world.run_after(TimeDelta::minutes(2)).await;
        assert_eq!(world.renewal(SUB).await.state, "unknown");
        assert_eq!(world.run_after(TimeDelta::hours(2)).await.paid, 1);
        assert_eq!((world.charges(SUB).len(), world.attempts(SUB).await.len()), (1, 1));
    }
}

async fn what_is_pending_and_fails_is_a_decline(on: On) {
    let world = world(on, "bk-pending-failed").await;
    world.run().await;
    assert_eq!(world.renewal(SUB).await.state, "unknown");
    let report = world.run_after(TimeDelta::hours(2)).await;
    assert_eq!((report.declined, report.paid), (1, 0));
    assert!(world.charges(SUB).is_empty());
}

async fn what_the_gateway_never_received_is_sent_again_after_ten_minutes(on: On) {
    let world = world(on, "bk").await;
    world.simulator.model().add_rule(Rule::new(When::Subscription(SUB.into()), Trouble::RequestLost).on(Route::Charge));
    assert_eq!(world.run().await.unknown, 1);
    world.simulator.model().clear_rules();
    let payment = world.renewal(SUB).await.payment_id;
    let sends = world.simulator.model().ledger().sends(&payment);

    world.run_after(TimeDelta::minutes(2)).await;
    assert_eq!(world.simulator.model().ledger().sends(&payment), sends, "a 404 proves nothing yet");
    assert_eq!(world.run_after(TimeDelta::minutes(15)).await.paid, 1);
    let attempts = world.attempts(SUB).await;
    assert_eq!((attempts.len(), world.charges(SUB).len()), (1, 1), "the same attempt, sent again");
}

async fn what_a_look_up_does_not_see_yet_is_not_charged_again(on: On) {
    let world = world(on, "bk").await;
    world.rule(When::Always, Trouble::Hidden);
    assert_eq!(world.run().await.unknown, 1);
    assert_eq!(world.charges(SUB).len(), 1, "the money was taken");
    // Still hidden after ten minutes: the same attempt is sent again, and takes nothing.
    assert_eq!(world.run_after(TimeDelta::minutes(20)).await.paid, 0);
    assert_eq!(world.charges(SUB).len(), 1);
    world.simulator.model().clear_rules();
    assert_eq!(world.run_after(TimeDelta::hours(1)).await.paid, 1);
    assert_eq!(world.charges(SUB).len(), 1);
}

async fn what_was_given_back_goes_to_a_person(on: On) {
    for (ending, status) in [("cancelled", "CANCELLED"), ("partly-cancelled", "PARTIAL_CANCELLED")] {
        let world = world(on, &format!("bk-{ending}")).await;
        assert_eq!(world.run().await.review, 1, "{ending}");
        let timeline = world.timeline(SUB).await;
        assert_eq!((timeline.renewals[0].state.as_str(), timeline.payments[0].status.as_str()), ("review", status));
        assert!(timeline.payments[0].cancelled_amount > 0);
        assert_eq!(timeline.subscription.current_period_end, instant("2026-01-31T00:00:00+09:00"));
    }
}

async fn a_look_up_that_fails_leaves_the_outcome_unknown(on: On) {
    for trouble in [Trouble::ErrorBefore { status: 500 }, Trouble::HtmlBefore { status: 502 }, Trouble::RequestLost] {
        let world = world(on, "bk").await;
        world.simulator.model().add_rule(Rule::new(When::Always, trouble).on(Route::LookUp));
        let report = world.run().await;
        assert_eq!((report.paid, report.unknown), (0, 1), "200 to the charge alone is not paid");
        world.simulator.model().clear_rules();
        assert_eq!(world.run_after(TimeDelta::minutes(2)).await.paid, 1);
        assert_eq!(world.charges(SUB).len(), 1);
    }
}

async fn a_failure_that_may_hide_a_success_is_not_a_decline(on: On) {
    for ending in ["duplicate", "kcp-pg-timeout"] {
        let world = world(on, &format!("bk-{ending}")).await;
        let report = world.run().await;
        assert_eq!((report.declined, report.unknown), (0, 1), "{ending}");
        assert_eq!(world.renewal(SUB).await.decline_count, 0, "{ending}");
        assert!(world.charges(SUB).is_empty(), "{ending}");
    }
}

/// Paid, and the automatic cancel failed: the customer's money is gone, and no retry may follow.
async fn a_cancel_that_failed_at_the_payment_gateway_goes_to_a_person(on: On) {
    let world = world(on, "bk-kcp-half-cancelled").await;
    assert_eq!(world.run().await.review, 1);
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.renewals[0].state.as_str(), timeline.renewals[0].decline_count), ("review", 0));
    assert_eq!(timeline.attempts[0].pg_code.as_deref(), Some("9048"));
    world.run_after(TimeDelta::days(1)).await;
    assert_eq!(world.attempts(SUB).await.len(), 1, "no retry by itself");
}

async fn a_request_that_the_payment_gateway_cannot_read_goes_to_a_person(on: On) {
    let world = world(on, "bk").await;
    let unreadable =
        Trouble::DeclineWith { code: "INVALID_REQUEST".to_owned(), message: "잘못된 요청입니다.".to_owned() };
    world.rule(When::Always, unreadable);
    assert_eq!(world.run().await.review, 1);
    let timeline = world.timeline(SUB).await;
    assert_eq!((timeline.attempts[0].state.as_str(), timeline.renewals[0].decline_count), ("refused", 0));
    assert_eq!(timeline.attempts[0].decline_reason.as_deref(), Some("invalid_request"));
    assert!(world.charges(SUB).is_empty());
}
