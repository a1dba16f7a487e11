//! Claiming: nothing uninvited is claimed, and what is claimed is on disk.

use super::ground::{Ground, LEASE, attempt, charge_everything, now, utc};
use super::on_all;
use chrono::TimeDelta;
use renewd::chance::{Chance, Seeded};
use renewd::domain::attempt::AttemptState;
use renewd::domain::claim::{ClaimDecision, RenewalChange};
use renewd::domain::event::EventKind;
use renewd::domain::ids::AttemptId;
use renewd::domain::renewal::State;
use renewd::store::read::RenewalRow;
use renewd::store::{ClaimRequest, GivenBack, Paused, Switch};
use std::sync::{Arc, Mutex};

on_all!(
    a_claim_is_on_disk_with_lease_and_attempt,
    nothing_is_claimed_before_its_time,
    nothing_is_claimed_while_the_switch_is_on,
    the_decision_sees_a_cancellation_and_its_change_is_recorded,
    a_claim_goes_on_where_the_last_one_ended,
    only_what_was_asked_for_is_claimed,
    what_was_skipped_stays_as_it_was,
    giving_back_restores_exactly,
    a_given_back_claim_has_a_new_number_next_time,
    giving_back_needs_the_lease,
    all_keys_come_the_newest_first,
    two_open_attempts_of_a_renewal_are_refused,
);

async fn a_claim_is_on_disk_with_lease_and_attempt(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let claimed = ground.claim_all().await;
    assert_eq!((claimed.attempts.len(), claimed.seen, claimed.paused), (1, 1, false));
    let attempt = claimed.attempts[0].get();
    assert_eq!((attempt.number, attempt.lease_epoch, attempt.lease_until), (1, 1, now() + LEASE));
    assert_eq!(ground.state("sub_1").await, "charging");
    let leased = "lease_epoch = 1 AND unsettled_claims = 1 AND attempt_count = 1 AND lease_until IS NOT NULL";
    assert_eq!(ground.count("renewals", leased).await, 1);
    let frozen = "state = 'open' AND request_body = '{\"frozen\":true}' AND idempotency_key = 'rn-sub_1-1'";
    assert_eq!(ground.count("attempts", frozen).await, 1);
    assert_eq!(ground.claim_all().await.seen, 0, "it is taken");
}

async fn nothing_is_claimed_before_its_time(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    let mut later = ground.planned("sub_1");
    later.next_attempt_at = Some(now() + TimeDelta::microseconds(1));
    ground.record_plan(ground.run_id(), &[later]).await.unwrap();
    assert_eq!(ground.claim_all().await.seen, 0);
    ground.pass(TimeDelta::microseconds(1));
    assert_eq!(ground.claim_all().await.attempts.len(), 1);
}

async fn nothing_is_claimed_while_the_switch_is_on(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let paused = Paused { at: now(), by: "op".to_owned(), reason: "wrong price".to_owned() };
    let switch = Switch { paused: Some(paused) };
    ground.set_switch(&switch).await.unwrap();
    assert_eq!(ground.switch().await.unwrap(), switch);
    let claimed = ground.claim_all().await;
    assert!(claimed.paused && claimed.attempts.is_empty());
    assert_eq!(ground.state("sub_1").await, "due");
    ground.set_switch(&Switch { paused: None }).await.unwrap();
    let claimed = ground.claim_all().await;
    assert!(!claimed.paused && claimed.attempts.len() == 1);
}

async fn the_decision_sees_a_cancellation_and_its_change_is_recorded(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    ground.set_cancel("sub_1", true).await;
    let canceled = ground.event(EventKind::RenewalCanceled, "sub_1", ground.planned("sub_1").id);
    let charge = charge_everything(ground.run_id());
    let claimed = ground
        .claim(
            &ground.request(9),
            Arc::new(move |facts| match facts.cancel_at_period_end {
                false => charge(facts),
                true => ClaimDecision::Change(RenewalChange {
                    renewal_id: facts.renewal_id,
                    from: State::Due,
                    to: State::Canceled,
                    next_attempt_at: None,
                    next_look_up_at: None,
                    waits_for_key: false,
                    waited_for_key: false,
                    access_until: None,
                    review_reason: None,
                    events: vec![canceled.clone()],
                }),
            }),
        )
        .await
        .unwrap();
    assert_eq!((claimed.attempts.len(), claimed.changed.len(), claimed.seen), (1, 1, 2));
    assert_eq!(ground.state("sub_1").await, "canceled");
    assert_eq!(ground.count("events", "kind = 'renewal.canceled'").await, 1);
}

async fn a_claim_goes_on_where_the_last_one_ended(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2", "sub_3"]).await;
    let decide = charge_everything(ground.run_id());
    let first = ground.claim(&ground.request(2), Arc::clone(&decide)).await.unwrap();
    assert_eq!((first.seen, first.attempts.len()), (2, 2));
    for committed in &first.attempts {
        ground.give_back(&[given_back(committed.get())]).await.unwrap();
    }
    let rest = ClaimRequest { after: first.last, ..ground.request(9) };
    let second = ground.claim(&rest, decide).await.unwrap();
    assert_eq!(second.seen, 1, "what was given back is not claimed again in this run");
    assert!(second.last > first.last);
}

async fn only_what_was_asked_for_is_claimed(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    let request = ClaimRequest { only: Some(vec!["sub_2".into()]), ..ground.request(9) };
    let claimed = ground.claim(&request, charge_everything(ground.run_id())).await.unwrap();
    assert_eq!(claimed.attempts[0].get().renewal.subscription_id, "sub_2".into());
    assert_eq!((claimed.seen, ground.state("sub_1").await.as_str()), (1, "due"));
}

async fn what_was_skipped_stays_as_it_was(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let before = row(&ground).await;
    let claimed = ground.claim(&ground.request(9), Arc::new(|_| ClaimDecision::Skip)).await.unwrap();
    assert_eq!((claimed.seen, claimed.attempts.len(), claimed.changed.len()), (1, 0, 0));
    assert_eq!(row(&ground).await, before);
}

/// A renewal's whole row but for its fence and the time of its last change.
async fn row(ground: &Ground) -> (RenewalRow, i64) {
    let shown = ground.timeline("sub_1").await.unwrap().unwrap().renewals.remove(0);
    let hidden = "lease_until IS NULL AND unsettled_claims = 0 AND look_ups = 0 AND ended_at IS NULL";
    (RenewalRow { updated_at: shown.created_at, ..shown }, ground.count("renewals", hidden).await)
}

fn given_back(attempt: &renewd::domain::charge::Attempt) -> GivenBack {
    GivenBack {
        renewal_id: attempt.renewal.id,
        attempt_id: attempt.id,
        lease_epoch: attempt.lease_epoch,
        note: "never sent".to_owned(),
    }
}

async fn giving_back_restores_exactly(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let before = row(&ground).await;
    let attempt = ground.claim_one().await;
    assert_ne!(row(&ground).await, before);
    ground.pass(TimeDelta::seconds(5));
    ground.give_back(&[given_back(&attempt)]).await.unwrap();
    assert_eq!(row(&ground).await, before);
    assert_eq!(ground.count("attempts", "state = 'not_charged' AND note = 'never sent'").await, 1);
}

async fn a_given_back_claim_has_a_new_number_next_time(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let first = ground.claim_one().await;
    ground.give_back(&[given_back(&first)]).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (facts_seen, run, chance) = (Arc::clone(&seen), ground.run_id(), Seeded::new(9));
    let claimed = ground
        .claim(
            &ground.request(9),
            Arc::new(move |facts| {
                facts_seen.lock().unwrap().push(facts.clone());
                ClaimDecision::Charge(Box::new(attempt(facts, run, AttemptId(chance.id(facts.now)))))
            }),
        )
        .await
        .unwrap();
    let facts = seen.lock().unwrap().pop().unwrap();
    assert_eq!(facts.attempts[0].state, AttemptState::NotCharged);
    assert_eq!(facts.unsettled_claims, 0, "a claim that was given back does not count");
    let second = claimed.attempts[0].get();
    assert_eq!((second.number, second.lease_epoch), (2, 2), "and the fence moved on");
    assert!(second.is_first(), "nothing of it was ever answered: the brakes count it as first");
}

async fn giving_back_needs_the_lease(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    let stale = GivenBack { lease_epoch: attempt.lease_epoch - 1, ..given_back(&attempt) };
    ground.give_back(&[stale]).await.unwrap();
    assert_eq!(ground.state("sub_1").await, "charging");
    assert_eq!(ground.count("attempts", "state = 'open'").await, 1);
}

async fn all_keys_come_the_newest_first(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.add_key("bk_old", "sub_1", false, utc("2020-01-01T00:00:00Z")).await;
    ground.add_key("bk_new", "sub_1", true, utc("2030-01-01T00:00:00Z")).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let facts_seen = Arc::clone(&seen);
    let skip = Arc::new(move |facts: &renewd::domain::claim::ClaimFacts| {
        facts_seen.lock().unwrap().extend(facts.keys.iter().map(|key| (key.id.0.clone(), key.usable)));
        ClaimDecision::Skip
    });
    ground.claim(&ground.request(9), skip).await.unwrap();
    let expected = [("bk_new", true), ("bk_sub_1", true), ("bk_old", false)];
    assert_eq!(*seen.lock().unwrap(), expected.map(|(id, usable)| (id.to_owned(), usable)));
}

/// The database itself says no, whatever the code above it believes.
async fn two_open_attempts_of_a_renewal_are_refused(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.claim_one().await;
    ground.add_second_attempt(ground.chance.id(now())).await.unwrap_err();
    assert_eq!(ground.count("attempts", "true").await, 1);
}
