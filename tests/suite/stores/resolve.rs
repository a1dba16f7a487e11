//! What an earlier worker left open is taken over once, under a new lease, and only to look first.

use super::ground::{Ground, LEASE, now};
use super::on_all;
use chrono::TimeDelta;
use renewd::domain::event::EventKind;
use renewd::domain::ids::AttemptId;
use renewd::domain::reconcile::{FoundPayment, LostAttempt};
use renewd::domain::renewal::State;
use renewd::domain::settlement::PaymentRecord;
use renewd::store::{LateChange, Paused, Switch};

on_all!(
    an_expired_lease_is_taken_over_as_the_same_attempt,
    whether_it_may_be_sent_again_is_told,
    an_attempt_whose_key_is_gone_is_looked_up_and_never_sent,
    an_attempt_that_cannot_be_read_goes_to_a_person,
    an_unknown_outcome_is_taken_over_when_it_is_due_and_remembers,
    what_ended_is_looked_up_late_until_it_is_over,
    what_ended_is_looked_up_without_its_key,
    a_row_that_cannot_be_read_holds_up_no_other_late_look_up,
    an_id_without_an_attempt_holds_up_no_other_late_look_up,
    a_payment_that_was_found_meanwhile_is_not_put_off,
    money_that_turns_up_late_is_recorded_once,
    a_sight_is_kept_once,
    what_could_not_be_placed_waits_until_it_is_recorded,
);

fn lease() -> TimeDelta {
    TimeDelta::from_std(LEASE).unwrap()
}

async fn an_expired_lease_is_taken_over_as_the_same_attempt(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let first = ground.claim_one().await;
    ground.pass(lease() - TimeDelta::microseconds(1));
    assert_eq!(ground.take_over(9, LEASE, 3).await.unwrap().len(), 0, "the lease holds");
    ground.pass(TimeDelta::microseconds(1));
    let taken = ground.take_over(9, LEASE, 3).await.unwrap();
    let attempt = taken[0].attempt.get();
    assert!(taken[0].was_left && taken[0].may_resend && attempt.maybe_sent && !taken[0].cancel_at_period_end);
    let mut same = first.clone();
    (same.maybe_sent, same.lease_epoch, same.lease_until) = (true, 2, now() + lease() + lease());
    assert_eq!(*attempt, same);
    assert_eq!(ground.count("renewals", "unsettled_claims = 2 AND lease_epoch = 2 AND state = 'charging'").await, 1);
    assert_eq!(ground.take_over(9, LEASE, 3).await.unwrap().len(), 0, "it is taken");
}

async fn whether_it_may_be_sent_again_is_told(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    ground.claim_all().await;
    ground.set_cancel("sub_1", true).await;
    ground.pass(lease());
    let told = async || {
        let taken = ground.take_over(9, LEASE, 3).await.unwrap();
        taken.iter().map(|one| (one.may_resend, one.cancel_at_period_end)).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [(false, true), (true, false)]);
    let paused = Paused { at: now(), by: "op".to_owned(), reason: "stop".to_owned() };
    ground.set_switch(&Switch { paused: Some(paused) }).await.unwrap();
    ground.pass(lease());
    assert_eq!(told().await, [(false, true), (false, false)], "the kill switch is on: only looking is allowed");
}

async fn an_attempt_whose_key_is_gone_is_looked_up_and_never_sent(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.claim_all().await;
    ground.rename_key("bk_sub_1", "bk_moved").await;
    ground.pass(lease());
    let taken = ground.take_over(9, LEASE, 3).await.unwrap();
    assert_eq!((taken.len(), &taken[0].attempt.get().billing_key, taken[0].may_resend), (1, &None, false));
}

async fn an_attempt_that_cannot_be_read_goes_to_a_person(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    ground.claim_all().await;
    ground.spoil_currency("sub_1").await;
    ground.pass(lease());
    let taken = ground.take_over(9, LEASE, 3).await.unwrap();
    assert_eq!(taken.len(), 1, "one that cannot be read holds up nobody else");
    assert_eq!(ground.state("sub_1").await, "review");
    assert_eq!(ground.count("attempts", "state = 'open'").await, 2, "nothing else may charge it");
    assert_eq!(ground.count("events", "kind = 'renewal.review'").await, 1);
}

async fn an_unknown_outcome_is_taken_over_when_it_is_due_and_remembers(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let declined = ground.declined(&ground.claim_one().await);
    let again_at = declined.next_attempt_at.unwrap();
    ground.settle(std::slice::from_ref(&declined)).await.unwrap();
    ground.clock.set(again_at);
    let unknown = ground.unknown(&ground.claim_one().await);
    ground.settle(std::slice::from_ref(&unknown)).await.unwrap();
    ground.clock.set(unknown.next_look_up_at.unwrap());
    let taken = ground.take_over(9, LEASE, 3).await.unwrap();
    assert!(!taken[0].was_left, "nobody's process is gone");
    let renewal = &taken[0].attempt.get().renewal;
    assert_eq!((renewal.declines.len(), renewal.first_declined_at), (1, declined.first_declined_at));
    assert_eq!(renewal.known_transactions, ["tx-rn-sub_1-1"]);
    assert_eq!((renewal.look_ups, renewal.unknown_since), (1, unknown.unknown_since));
}

/// A renewal that was declined for good.
async fn failed(ground: &Ground) -> renewd::domain::charge::Attempt {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    let mut settlement = ground.declined(&attempt);
    (settlement.state, settlement.next_attempt_at) = (State::Failed, None);
    settlement.next_look_up_at = Some(now() + TimeDelta::hours(1));
    ground.settle(&[settlement]).await.unwrap();
    attempt
}

async fn what_ended_is_looked_up_late_until_it_is_over(ground: Ground) {
    let attempt = failed(&ground).await;
    assert_eq!(ground.late_facts(9).await.unwrap().len(), 0);
    ground.pass(TimeDelta::hours(1));
    let facts = ground.late_facts(9).await.unwrap();
    assert_eq!((facts[0].state, facts[0].since, facts[0].look_ups), (State::Failed, now(), 0));
    assert_eq!((facts[0].attempt.id, facts[0].retired), (attempt.id, false));
    assert_eq!(facts[0].attempt.billing_key, attempt.billing_key);
    let look = |next| [LateChange::LookAgain { facts: Box::new(facts[0].clone()), next_look_up_at: next }];
    ground.record_late(&look(Some(now() + TimeDelta::hours(6)))).await.unwrap();
    assert_eq!(ground.late_facts(9).await.unwrap().len(), 0);
    ground.pass(TimeDelta::hours(5));
    assert_eq!(ground.late_facts(9).await.unwrap()[0].look_ups, 1);
    let facts = ground.late_facts(9).await.unwrap();
    let never = LateChange::LookAgain { facts: Box::new(facts[0].clone()), next_look_up_at: None };
    ground.record_late(&[never]).await.unwrap();
    ground.pass(TimeDelta::days(400));
    assert_eq!(ground.late_facts(9).await.unwrap().len(), 0);
}

async fn what_ended_is_looked_up_without_its_key(ground: Ground) {
    failed(&ground).await;
    ground.rename_key("bk_sub_1", "bk_moved").await;
    ground.pass(TimeDelta::hours(1));
    let facts = ground.late_facts(9).await.unwrap();
    assert_eq!((facts.len(), &facts[0].attempt.billing_key), (1, &None));
}

async fn a_row_that_cannot_be_read_holds_up_no_other_late_look_up(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    for attempt in ground.claim_all().await.attempts {
        let attempt = attempt.get();
        let mut settlement = ground.declined(attempt);
        (settlement.state, settlement.next_attempt_at) = (State::Failed, None);
        let minutes = if attempt.renewal.subscription_id.as_str() == "sub_1" { 1 } else { 2 };
        settlement.next_look_up_at = Some(now() + TimeDelta::minutes(minutes));
        ground.settle(&[settlement]).await.unwrap();
    }
    ground.spoil_currency("sub_1").await;
    ground.pass(TimeDelta::hours(1));
    assert_eq!(ground.late_facts(1).await.unwrap().len(), 0, "the page of one is the one that cannot be read");
    let facts = ground.late_facts(1).await.unwrap();
    assert_eq!(facts[0].subscription_id.as_str(), "sub_2");
    ground.pass(TimeDelta::days(1));
    assert_eq!(ground.count("renewals", "look_ups = 1").await, 1);
    assert_eq!(ground.late_facts(9).await.unwrap().len(), 1);
    assert_eq!(ground.count("renewals", "look_ups = 2").await, 1, "tried again every day");
}

async fn an_id_without_an_attempt_holds_up_no_other_late_look_up(ground: Ground) {
    let attempt = failed(&ground).await;
    let mut record = ground.paid(&attempt).payment.unwrap();
    record.payment_id = "rn-of-nobody".into();
    let mut found = FoundPayment { renewal_id: attempt.renewal.id, series: 8, record, lost_attempt: None };
    ground.wake(ground.run_id(), std::slice::from_ref(&found), "reconcile").await.unwrap();
    ground.pass(TimeDelta::minutes(1));
    found.record.payment_id = "rn-attempted".into();
    found.lost_attempt = Some(LostAttempt {
        id: AttemptId(uuid::Uuid::from_u128(1)),
        number: 2,
        billing_key_id: attempt.billing_key_id,
        channel_key: None,
        started_at: now(),
    });
    ground.wake(ground.run_id(), &[found], "reconcile").await.unwrap();
    let facts = ground.late_facts(1).await.unwrap();
    assert_eq!((facts.len(), facts[0].payment_id.as_str()), (1, "rn-attempted"));
}

async fn a_payment_that_was_found_meanwhile_is_not_put_off(ground: Ground) {
    let attempt = failed(&ground).await;
    ground.pass(TimeDelta::hours(1));
    let facts = ground.late_facts(9).await.unwrap();
    ground.pass(TimeDelta::minutes(1));
    let record = ground.paid(&attempt).payment.unwrap();
    let found = FoundPayment { renewal_id: attempt.renewal.id, series: 0, record, lost_attempt: None };
    ground.wake(ground.run_id(), &[found], "reconcile").await.unwrap();
    let never = LateChange::LookAgain { facts: Box::new(facts[0].clone()), next_look_up_at: None };
    ground.record_late(&[never]).await.unwrap();
    assert_eq!(ground.late_facts(9).await.unwrap().len(), 1, "what was read before it says nothing of it");
}

async fn money_that_turns_up_late_is_recorded_once(ground: Ground) {
    let attempt = failed(&ground).await;
    let mut settlement = ground.paid(&attempt);
    settlement.events = vec![ground.event(EventKind::RenewalPaid, "sub_1", attempt.renewal.id)];
    let found = [LateChange::Found { from: State::Failed, settlement: Box::new(settlement) }];
    for _ in 0..2 {
        ground.record_late(&found).await.unwrap();
    }
    assert_eq!(ground.state("sub_1").await, "paid");
    assert_eq!(ground.count("payments", "verified").await, 1);
    assert_eq!(ground.count("subscriptions", "current_period_end = '2026-02-27T15:00:00.000000Z'").await, 1);
    assert_eq!(ground.count("events", "kind = 'renewal.paid'").await, 1);
    assert_eq!(ground.count("attempts", "state = 'declined'").await, 1, "what was declined was declined");
}

async fn a_sight_is_kept_once(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let record = ground.paid(&ground.claim_one().await).payment.unwrap();
    for by in ["webhook", "webhook", "listing"] {
        ground.observe(&[(record.clone(), by.to_owned())]).await.unwrap();
    }
    assert_eq!(ground.count("observations", "true").await, 2);
}

async fn what_could_not_be_placed_waits_until_it_is_recorded(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    let paid = ground.paid(&attempt);
    let record = paid.payment.clone().unwrap();
    let seen = |name: &str, by: &str| [(PaymentRecord { payment_id: name.into(), ..record.clone() }, by.to_owned())];
    let own = attempt.renewal.payment_id.as_str();
    for (name, by) in [(own, "ahead"), ("rn-b", "ahead"), ("rn-a", "ahead"), ("rn-c", "webhook"), (own, "ahead")] {
        ground.observe(&seen(name, by)).await.unwrap();
        ground.pass(TimeDelta::seconds(if name == own { 1 } else { 0 }));
    }
    let ids = async |rows_max| {
        let ids = ground.unplaced("ahead", rows_max).await.unwrap();
        ids.into_iter().map(|id| id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(9).await, [own, "rn-a", "rn-b"]);
    assert_eq!(ids(1).await, [own]);
    ground.settle(&[paid]).await.unwrap();
    assert_eq!(ids(9).await, ["rn-a", "rn-b"]);
}
