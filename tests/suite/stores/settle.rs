//! Settling: money once, declines once, and nothing under a lease that is gone.

use super::ground::{Ground, LEASE, next_period_end, now, payment, period_end, utc};
use super::on_all;
use chrono::TimeDelta;
use renewd::domain::payment::{LookUp, Payment, PaymentStatus};
use renewd::domain::renewal::State;
use renewd::domain::settlement::Settlement;
use renewd::store::Settled;
use renewd::store::memory::rows;
use renewd::store::read::Timeline;

on_all!(
    a_payment_moves_the_period_in_the_same_step,
    a_planned_change_of_plan_takes_effect_with_the_payment,
    writing_the_same_twice_changes_nothing,
    a_decline_is_perishable_and_a_payment_is_not,
    a_lost_lease_keeps_the_payment_and_looks_again,
    a_payment_for_a_period_that_moved_is_recorded_and_shown,
    an_unknown_outcome_leaves_the_attempt_open,
    a_spent_key_is_unusable_and_a_used_up_payment_id_is_kept,
    an_id_that_an_earlier_ones_money_replaces_is_still_looked_up,
    a_cancellation_after_the_claim_is_told,
    a_mismatch_is_recorded_and_moves_nothing,
    one_bad_fence_does_not_hold_up_the_batch,
    a_paid_renewal_is_never_due_again,
    a_closed_attempt_does_not_change; sql: money_is_only_ever_added);

fn all_settled(batch: &[Settlement]) -> Settled {
    Settled { settled: batch.iter().map(|one| one.renewal_id).collect(), ..Settled::default() }
}

async fn period_moved(ground: &Ground) -> i64 {
    let moved = "current_period_start = '2026-01-30T15:00:00.000000Z' \
        AND current_period_end = '2026-02-27T15:00:00.000000Z' AND status = 'active'";
    ground.count("subscriptions", moved).await
}

async fn a_payment_moves_the_period_in_the_same_step(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.set_standing("sub_1", "past_due", "odd").await;
    let attempt = ground.claim_one().await;
    ground.pass(TimeDelta::seconds(3));
    let paid = [ground.paid(&attempt)];
    assert_eq!(ground.settle(&paid).await.unwrap(), all_settled(&paid));
    assert_eq!(period_moved(&ground).await, 1);
    assert_eq!(ground.count("subscriptions", "tier = 'pro'").await, 1);
    let timeline = ground.timeline("sub_1").await.unwrap().unwrap();
    let (renewal, attempt) = (&timeline.renewals[0], &timeline.attempts[0]);
    assert_eq!((renewal.state.as_str(), renewal.attempt_count, renewal.period_start), ("paid", 1, period_end()));
    assert_eq!((attempt.state.as_str(), attempt.settled_at), ("paid", Some(now() + TimeDelta::seconds(3))));
    let money = &timeline.payments[0];
    assert_eq!((money.amount, money.verified, money.status.as_str()), (Some(55_000), true, "PAID"));
    assert_eq!(timeline.events[0].kind, "renewal.paid");
    assert_eq!(timeline.subscription.current_period_end, next_period_end());
    let closed = "lease_until IS NULL AND unsettled_claims = 0 AND ended_at IS NOT NULL AND pg_tx_id = 'pg-1'";
    assert_eq!(ground.count("renewals", closed).await, 1);
}

async fn a_planned_change_of_plan_takes_effect_with_the_payment(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    ground.add_plan_max().await;
    ground.set_next_plan("sub_1", "max").await;
    let mut planned = ground.planned("sub_1");
    planned.plan_id = "max".into();
    ground.record_plan(ground.run_id(), &[planned]).await.unwrap();
    let attempt = ground.claim_one().await;
    ground.settle(&[ground.paid(&attempt)]).await.unwrap();
    assert_eq!(ground.count("subscriptions", "plan_id = 'max' AND next_plan_id IS NULL AND tier = 'max'").await, 1);
}

/// The commit's answer was lost, and the worker writes again.
async fn writing_the_same_twice_changes_nothing(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2", "sub_3"]).await;
    let claimed = ground.claim_all().await;
    let [first, second, third] = [0, 1, 2].map(|at: usize| claimed.attempts[at].get());
    let batch = [ground.paid(first), ground.declined(second), ground.unknown(third)];
    assert_eq!(ground.settle(&batch).await.unwrap(), all_settled(&batch));
    let before = everything(&ground).await;
    ground.pass(TimeDelta::seconds(30));
    assert_eq!(ground.settle(&batch).await.unwrap(), all_settled(&batch));
    assert_eq!(everything(&ground).await, before);
    assert_eq!(ground.count("renewals", "decline_count = 1").await, 1);
    assert_eq!(ground.count("observations", "true").await, 0);
}

/// All that a settle can change; the last number counts subscriptions that were not touched since.
async fn everything(ground: &Ground) -> (Vec<Timeline>, i64) {
    let mut timelines = Vec::new();
    for id in ["sub_1", "sub_2", "sub_3"] {
        timelines.push(ground.timeline(id).await.unwrap().unwrap());
    }
    (timelines, ground.count("subscriptions", "updated_at = '2026-01-30T01:00:00.000000Z'").await)
}

async fn a_decline_is_perishable_and_a_payment_is_not(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    let claimed = ground.claim_all().await;
    let declined = ground.declined(claimed.attempts[0].get());
    let paid = ground.paid(claimed.attempts[1].get());
    ground.pass(TimeDelta::from_std(LEASE).unwrap());
    let settled = ground.settle(&[declined.clone(), paid.clone()]).await.unwrap();
    assert_eq!((settled.settled, settled.fence_lost), (vec![paid.renewal_id], vec![declined.renewal_id]));
    assert_eq!(ground.state("sub_1").await, "charging", "the old decline is void");
    assert_eq!(ground.count("renewals", "decline_count > 0").await, 0);
    assert_eq!(ground.count("events", "kind = 'renewal.declined'").await, 0);
}

async fn a_lost_lease_keeps_the_payment_and_looks_again(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let slow = ground.claim_one().await;
    ground.pass(TimeDelta::from_std(LEASE).unwrap());
    let taken = ground.take_over(9, LEASE, 3).await.unwrap();
    let unknown = ground.unknown(taken[0].attempt.get());
    assert!(unknown.next_look_up_at.unwrap() > now() + LEASE);
    ground.settle(&[unknown]).await.unwrap();
    assert_eq!(ground.take_over(9, LEASE, 3).await.unwrap().len(), 0, "not due for a look-up");
    let paid = ground.paid(&slow);
    for _ in 0..2 {
        assert_eq!(ground.settle(std::slice::from_ref(&paid)).await.unwrap().fence_lost, [paid.renewal_id]);
    }
    assert_eq!(ground.count("observations", "status = 'PAID' AND payment_id = 'rn-sub_1'").await, 1);
    assert_eq!(ground.count("payments", "true").await, 0);
    assert_eq!(period_moved(&ground).await, 0);
    let again = ground.take_over(9, LEASE, 3).await.unwrap();
    assert_eq!(again.len(), 1, "due for a look-up at once");
    ground.settle(&[ground.paid(again[0].attempt.get())]).await.unwrap();
    assert_eq!((ground.state("sub_1").await.as_str(), period_moved(&ground).await), ("paid", 1));
}

async fn a_payment_for_a_period_that_moved_is_recorded_and_shown(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    ground.set_period_end("sub_1", utc("2026-05-01T00:00:00Z")).await;
    let paid = ground.paid(&attempt);
    let settled = ground.settle(std::slice::from_ref(&paid)).await.unwrap();
    assert_eq!((settled.settled, settled.period_not_moved), (vec![], vec![paid.renewal_id]));
    assert_eq!(ground.state("sub_1").await, "paid");
    assert_eq!(ground.count("payments", "true").await, 1);
    assert_eq!(ground.count("subscriptions", "current_period_end = '2026-05-01T00:00:00.000000Z'").await, 1);
    assert_eq!(ground.count("events", "kind = 'renewal.review'").await, 1);
    let shown = ground.needs_person(9).await.unwrap();
    assert!(shown[0].review_reason.as_deref().unwrap().contains("was not extended"), "{shown:?}");
    ground.settle(&[paid]).await.unwrap();
    assert_eq!(ground.count("events", "kind = 'renewal.review'").await, 1);
}

async fn an_unknown_outcome_leaves_the_attempt_open(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    let unknown = ground.unknown(&attempt);
    ground.settle(std::slice::from_ref(&unknown)).await.unwrap();
    assert_eq!(ground.state("sub_1").await, "unknown");
    assert_eq!(ground.count("attempts", "state = 'open' AND settled_at IS NULL AND note IS NOT NULL").await, 1);
    assert_eq!(ground.claim_all().await.seen, 0, "while an attempt is open no other may start");
    let backlog = ground.backlog().await.unwrap();
    assert_eq!((backlog.oldest_unknown, backlog.next_look_up_at), (Some(now()), unknown.next_look_up_at));
}

async fn a_spent_key_is_unusable_and_a_used_up_payment_id_is_kept(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    let mut settlement = ground.declined(&attempt);
    settlement.key_unusable = Some(attempt.billing_key_id.clone());
    (settlement.payment_id, settlement.series) = ("rn-next".into(), 1);
    settlement.retired_payment_id = Some(attempt.renewal.payment_id.clone());
    ground.settle(&[settlement]).await.unwrap();
    assert_eq!(ground.count("billing_keys", "state = 'unusable' AND unusable_reason IS NOT NULL").await, 1);
    let retired = "payment_id = 'rn-sub_1' AND series = 0 AND next_look_up_at = '2026-01-30T02:00:00.000000Z'";
    assert_eq!(ground.count("retired_payments", retired).await, 1);
    assert_eq!(ground.count("renewals", "payment_id = 'rn-next' AND series = 1").await, 1);
    assert!(ground.timeline("rn-sub_1").await.unwrap().is_some(), "a payment id that was given up is still found");
}

async fn an_id_that_an_earlier_ones_money_replaces_is_still_looked_up(ground: Ground) {
    let renewal = ground.subscribed_and_planned(&["sub_1"]).await[0];
    let first = ground.claim_one().await;
    let mut given_up = ground.declined(&first);
    (given_up.payment_id, given_up.series) = ("rn-next".into(), 1);
    given_up.retired_payment_id = Some(first.renewal.payment_id.clone());
    ground.settle(&[given_up]).await.unwrap();
    ground.clock.set(now() + TimeDelta::days(2));
    let second = ground.claim_one().await;
    // Money under the first id, found while the second one was tried.
    let mut paid = ground.paid(&second);
    paid.payment_id = first.renewal.payment_id.clone();
    ground.settle(&[paid]).await.unwrap();
    let retired = "payment_id = 'rn-next' AND series = 1 AND next_look_up_at = '2026-02-01T01:00:00.000000Z'";
    assert_eq!(ground.count("retired_payments", retired).await, 1, "there may be money under it as well");
    let case = ground.case_facts(renewal).await.unwrap();
    let ids: Vec<&str> = case.iter().map(|facts| facts.payment_id.as_str()).collect();
    assert_eq!(ids, ["rn-sub_1", "rn-next"], "each once");
}

async fn a_cancellation_after_the_claim_is_told(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    ground.set_cancel("sub_1", true).await;
    ground.settle(&[ground.paid(&attempt)]).await.unwrap();
    assert!(ground.timeline("sub_1").await.unwrap().unwrap().renewals[0].canceled_during_charge);
}

async fn a_mismatch_is_recorded_and_moves_nothing(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    let wrong = Payment { total: Some(1), ..payment(&attempt, PaymentStatus::Paid) };
    let settlement = ground.learned(&attempt, &LookUp::Found(Box::new(wrong)));
    assert_eq!(settlement.state, State::Review);
    ground.settle(&[settlement]).await.unwrap();
    assert_eq!(ground.count("payments", "amount = 1 AND NOT verified").await, 1);
    assert_eq!(period_moved(&ground).await, 0);
    assert_eq!(ground.count("renewals", "paid_at IS NULL AND review_reason LIKE '%amount%'").await, 1);
}

async fn one_bad_fence_does_not_hold_up_the_batch(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    let claimed = ground.claim_all().await;
    let mut stale = ground.paid(claimed.attempts[0].get());
    stale.lease_epoch -= 1;
    let mut nobody = stale.clone();
    nobody.renewal_id = ground.planned("sub_1").id;
    nobody.payment = None;
    let good = ground.paid(claimed.attempts[1].get());
    let settled = ground.settle(&[stale.clone(), nobody.clone(), good.clone()]).await.unwrap();
    assert_eq!(settled.settled, [good.renewal_id]);
    assert_eq!(settled.fence_lost, [stale.renewal_id, nobody.renewal_id]);
}

async fn money_is_only_ever_added(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.settle(&[ground.paid(&ground.claim_one().await)]).await.unwrap();
    for sql in ["UPDATE payments SET amount = 1", "DELETE FROM payments"] {
        let refusal = ground.sql(sql).await.unwrap_err().to_string();
        assert!(refusal.contains("payments are only ever added"), "{refusal}");
    }
}

async fn a_paid_renewal_is_never_due_again(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.settle(&[ground.paid(&ground.claim_one().await)]).await.unwrap();
    let refusal = ground.set_states("due").await.unwrap_err();
    assert!(refusal.contains("never charged again"), "{refusal}");
    ground.set_states("refunded").await.unwrap();
    ground.set_states("paid").await.unwrap_err();
}

async fn a_closed_attempt_does_not_change(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    let rewrite = |row: &mut rows::Attempt| row.request_body = "other".to_owned();
    ground.change_attempts("request_body = 'other'", rewrite).await.unwrap_err();
    ground.remove_key("bk_sub_1").await.unwrap_err();
    ground.replace_key("bk_sub_1", "other").await.unwrap_err();
    ground.settle(&[ground.declined(&attempt)]).await.unwrap();
    let annotate = |row: &mut rows::Attempt| row.note = Some("other".to_owned());
    ground.change_attempts("note = 'other'", annotate).await.unwrap_err();
    ground.remove_key("bk_sub_1").await.unwrap();
}
