//! Refunds: wanted with the payment, recorded once, and what is given back is charged to nobody again.

use super::ground::{Ground, now, period_end};
use super::on_all;
use chrono::TimeDelta;
use renewd::domain::claim::RenewalChange;
use renewd::domain::event::EventKind;
use renewd::domain::ids::RenewalId;
use renewd::domain::refund::{RefundChange, RefundFacts, RefundReason, RefundState};
use renewd::domain::renewal::State;
use renewd::domain::settlement::Settlement;

on_all!(
    a_cancellation_under_the_settles_lock_gives_back_instead_of_extending,
    without_a_cancellation_the_same_settlement_is_paid,
    a_refund_is_wanted_once,
    a_refund_is_recorded_once_and_told_once,
    a_refund_that_is_not_due_is_not_asked_for,
    a_renewal_that_somebody_moved_is_left_alone,
    what_is_given_back_is_never_due_again_nor_looked_up_late; sql: what_a_refund_asks_for_is_fixed
);

/// Paid while its customer cancelled.
async fn canceled_during_charge(ground: &Ground) -> RefundFacts {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    ground.set_cancel("sub_1", true).await;
    let settled = ground.settle(&[ground.paid_or_given_back(&attempt)]).await.unwrap();
    assert_eq!((settled.settled.len(), settled.as_canceled.len()), (1, 1));
    ground.refund_facts(9).await.unwrap().remove(0)
}

fn change(facts: &RefundFacts, ground: &Ground, to: RefundState) -> RefundChange {
    let done = to == RefundState::Done;
    RefundChange {
        payment_id: facts.payment_id.clone(),
        number: facts.number,
        renewal_id: facts.renewal_id,
        to,
        next_try_at: (!done).then(|| now() + TimeDelta::hours(1)),
        note: "asked".to_owned(),
        renewal: done.then_some((State::Canceled, State::Refunded)),
        review_reason: None,
        events: vec![ground.event(EventKind::PaymentRefunded, "sub_1", facts.renewal_id)],
    }
}

async fn a_cancellation_under_the_settles_lock_gives_back_instead_of_extending(ground: Ground) {
    let facts = canceled_during_charge(&ground).await;
    assert_eq!((facts.amount, facts.currency.as_str(), facts.tries), (55_000, "KRW", 0));
    assert_eq!((facts.reason, facts.renewal_state), (RefundReason::CanceledDuringCharge, State::Canceled));
    assert_eq!(facts.idempotency_key, format!("{}-refund-1", facts.payment_id));
    let timeline = ground.timeline("sub_1").await.unwrap().unwrap();
    assert_eq!(timeline.subscription.current_period_end, period_end(), "the period was never extended");
    assert_eq!((timeline.attempts[0].state.as_str(), timeline.payments[0].verified), ("paid", true));
    assert_eq!((timeline.refunds.len(), timeline.refunds[0].state.as_str()), (1, "wanted"));
    assert!(timeline.renewals[0].canceled_during_charge);
    assert_eq!(ground.count("events", "kind = 'renewal.paid'").await, 0);
    assert_eq!(ground.backlog().await.unwrap().refunds_open, 1);
}

async fn without_a_cancellation_the_same_settlement_is_paid(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let settlement = ground.paid_or_given_back(&ground.claim_one().await);
    let settled = ground.settle(std::slice::from_ref(&settlement)).await.unwrap();
    assert_eq!((ground.state("sub_1").await.as_str(), settled.as_canceled.len()), ("paid", 0));
    ground.set_cancel("sub_1", true).await;
    let again = ground.settle(&[settlement]).await.unwrap();
    assert_eq!((again.settled.len(), again.as_canceled.len()), (1, 0), "what was written is not judged again");
    assert_eq!(ground.count("refunds", "true").await, 0);
}

async fn a_refund_is_wanted_once(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let settlement = ground.paid_or_given_back(&ground.claim_one().await);
    ground.set_cancel("sub_1", true).await;
    for _ in 0..2 {
        let settled = ground.settle(std::slice::from_ref(&settlement)).await.unwrap();
        assert_eq!((settled.settled.len(), settled.as_canceled.len()), (1, 1));
    }
    assert_eq!((ground.count("refunds", "true").await, ground.count("payments", "true").await), (1, 1));
}

async fn a_refund_is_recorded_once_and_told_once(ground: Ground) {
    let facts = canceled_during_charge(&ground).await;
    let done = [change(&facts, &ground, RefundState::Done)];
    assert_eq!(ground.record_refunds(&done).await.unwrap(), std::slice::from_ref(&facts.payment_id));
    let other = [change(&facts, &ground, RefundState::Requested)];
    assert!(ground.record_refunds(&other).await.unwrap().is_empty(), "the other run asked for the same");
    assert_eq!(
        (ground.state("sub_1").await.as_str(), ground.count("refunds", "state = 'done'").await),
        ("refunded", 1)
    );
    assert_eq!(ground.count("events", "kind = 'payment.refunded'").await, 1);
    assert_eq!(ground.backlog().await.unwrap().refunds_open, 0);
}

async fn a_refund_that_is_not_due_is_not_asked_for(ground: Ground) {
    let facts = canceled_during_charge(&ground).await;
    ground.record_refunds(&[change(&facts, &ground, RefundState::Requested)]).await.unwrap();
    assert!(ground.refund_facts(9).await.unwrap().is_empty());
    ground.pass(TimeDelta::hours(1));
    assert_eq!(ground.refund_facts(9).await.unwrap()[0].tries, 1);
    assert!(ground.refund_facts(0).await.unwrap().is_empty());
}

async fn a_renewal_that_somebody_moved_is_left_alone(ground: Ground) {
    let facts = canceled_during_charge(&ground).await;
    ground.set_states("failed").await.unwrap();
    let done = [change(&facts, &ground, RefundState::Done)];
    assert_eq!(ground.record_refunds(&done).await.unwrap().len(), 1, "the money is back all the same");
    assert_eq!((ground.state("sub_1").await.as_str(), ground.count("refunds", "state = 'done'").await), ("failed", 1));
}

fn due_again(renewal_id: RenewalId) -> RenewalChange {
    RenewalChange {
        renewal_id,
        from: State::Canceled,
        to: State::Due,
        next_attempt_at: Some(now()),
        next_look_up_at: None,
        waits_for_key: false,
        waited_for_key: false,
        access_until: None,
        review_reason: None,
        events: Vec::new(),
    }
}

async fn what_is_given_back_is_never_due_again_nor_looked_up_late(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let settlement = ground.paid_or_given_back(&ground.claim_one().await);
    ground.set_cancel("sub_1", true).await;
    ground.settle(std::slice::from_ref(&settlement)).await.unwrap();
    ground.set_cancel("sub_1", false).await;
    assert!(ground.change_renewals(&[due_again(settlement.renewal_id)]).await.unwrap().is_empty());
    assert_eq!(ground.state("sub_1").await, "canceled");
    // A worker that lost its lease tells of the same payment.
    let slow = Settlement { lease_epoch: settlement.lease_epoch + 7, ..settlement };
    assert_eq!(ground.settle(&[slow]).await.unwrap().fence_lost.len(), 1);
    assert!(ground.timeline("sub_1").await.unwrap().unwrap().renewals[0].next_look_up_at.is_some());
    assert!(ground.late_facts(9).await.unwrap().is_empty());
}

async fn what_a_refund_asks_for_is_fixed(ground: Ground) {
    canceled_during_charge(&ground).await;
    ground.sql("UPDATE refunds SET amount = 1").await.unwrap_err();
    ground.sql("UPDATE refunds SET idempotency_key = 'other'").await.unwrap_err();
    ground.sql("UPDATE refunds SET state = 'done', next_try_at = NULL").await.unwrap();
    ground.sql("UPDATE refunds SET note = 'other'").await.unwrap_err();
}
