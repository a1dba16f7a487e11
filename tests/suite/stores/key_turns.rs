//! One attempt at a time on each billing key: what a claim sees of other renewals, also while another claim is deciding.

use super::ground::{Ground, LEASE, attempt, batch, billing_key, now};
use super::on_all;
use chrono::TimeDelta;
use renewd::chance::{Chance, Seeded};
use renewd::domain::attempt::AttemptState;
use renewd::domain::claim::{ClaimDecision, ClaimFacts, chargeable};
use renewd::domain::date::Zone;
use renewd::domain::decline::DeclineClass;
use renewd::domain::event::EventKind;
use renewd::domain::ids::AttemptId;
use renewd::domain::key_turn::{KeyTry, KeyTurn, turn};
use renewd::store::{BillingKeyRow, ClaimDecider, ClaimRequest, Claimed, ImportBatch, StoreError};
use std::sync::{Arc, Mutex};

on_all!(
    a_key_is_handed_out_once_in_a_claim,
    a_claim_sees_what_was_tried_for_another_renewal,
    a_new_key_is_told_of_who_waits_for_the_ladder,
    a_decline_of_who_cancelled_meanwhile_ends_the_ladder;
    sql: claims_at_the_same_time_hand_out_a_key_once,
);

/// Subscriptions of one customer, on one card, planned.
async fn share(ground: &Ground, ids: &[&str]) {
    let mut batch = batch(ids);
    batch.subscriptions.iter_mut().for_each(|row| row.customer_id = format!("user_{}", ids[0]));
    ground.import(batch).await.unwrap();
    let mut planned: Vec<_> = ids.iter().map(|id| ground.planned(id)).collect();
    planned.iter_mut().for_each(|row| row.customer_id = format!("user_{}", ids[0]).as_str().into());
    ground.record_plan(ground.run_id(), &planned).await.unwrap();
}

/// Charges what has its turn, and keeps what it saw.
fn in_turn(ground: &Ground, seen: &Arc<Mutex<Vec<ClaimFacts>>>) -> ClaimDecider {
    let (run, seen) = (ground.run_id(), Arc::clone(seen));
    let chance = Seeded::new(run.0.as_u64_pair().1);
    Arc::new(move |facts| {
        seen.lock().unwrap().push(facts.clone());
        let zone = Zone::parse("Asia/Seoul").unwrap();
        match turn(chargeable(&facts.keys).unwrap(), &facts.attempts, facts.now, zone) {
            KeyTurn::Free => ClaimDecision::Charge(Box::new(attempt(facts, run, AttemptId(chance.id(facts.now))))),
            KeyTurn::Busy => ClaimDecision::Wait,
            KeyTurn::Tomorrow => ClaimDecision::Skip,
        }
    })
}

async fn claim(ground: &Ground) -> (Claimed, Vec<ClaimFacts>) {
    let seen = Arc::default();
    let claimed = ground.claim(&ground.request(9), in_turn(ground, &seen)).await.unwrap();
    let seen = seen.lock().unwrap().clone();
    (claimed, seen)
}

async fn a_key_is_handed_out_once_in_a_claim(ground: Ground) {
    share(&ground, &["sub_1", "sub_2", "sub_3"]).await;
    let (claimed, _) = claim(&ground).await;
    assert_eq!((claimed.attempts.len(), claimed.waiting.len(), claimed.seen), (1, 2, 3));
    let (later, seen) = claim(&ground).await;
    assert_eq!((later.attempts.len(), later.waiting.len()), (0, 2), "it is still at the gateway");
    let tries = &chargeable(&seen[0].keys).unwrap().tries;
    assert_eq!((tries.len(), tries[0].state, tries[0].under_way), (1, AttemptState::Open, true));
    ground.settle(&[ground.paid(claimed.attempts[0].get())]).await.unwrap();
    let (next, _) = claim(&ground).await;
    assert_eq!((next.attempts.len(), next.waiting.len()), (1, 1));
}

async fn a_claim_sees_what_was_tried_for_another_renewal(ground: Ground) {
    share(&ground, &["sub_1", "sub_2"]).await;
    let (claimed, _) = claim(&ground).await;
    ground.settle(&[ground.declined(claimed.attempts[0].get())]).await.unwrap();
    let (later, seen) = claim(&ground).await;
    assert_eq!((later.attempts.len(), later.waiting.len()), (0, 0));
    let declined = KeyTry {
        state: AttemptState::Declined,
        class: Some(DeclineClass::Soft),
        under_way: false,
        started_at: now(),
        settled_at: Some(now()),
    };
    assert_eq!(chargeable(&seen[0].keys).unwrap().tries, [declined]);
    ground.pass(TimeDelta::days(1));
    let (tomorrow, seen) = claim(&ground).await;
    assert_eq!((tomorrow.attempts.len(), tomorrow.waiting.len()), (1, 1), "both are due again");
    assert!(seen.iter().all(|facts| chargeable(&facts.keys).unwrap().tries.len() <= 1), "its own is no other's");
}

/// Two processes, each with a claim of its own: one of them gets the key.
async fn claims_at_the_same_time_hand_out_a_key_once(ground: Ground) {
    for round in 0..10 {
        let ids = [format!("r{round}_1"), format!("r{round}_2"), format!("r{round}_3")];
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        share(&ground, &ids).await;
        let one = |id: &str| {
            let request = ClaimRequest {
                run_id: ground.run_id(),
                rows_max: 9,
                lease: LEASE,
                after: None,
                only: Some(vec![id.into()]),
            };
            let (store, decide) = (Arc::clone(&ground.store), in_turn(&ground, &Arc::default()));
            tokio::spawn(async move { store.claim(&request, decide).await })
        };
        let claims: Vec<_> = ids.iter().map(|id| one(id)).collect();
        let mut handed_out = 0;
        for claim in claims {
            let claimed: Result<Claimed, StoreError> = claim.await.unwrap();
            handed_out += claimed.unwrap().attempts.len();
        }
        assert_eq!(handed_out, 1, "round {round}");
    }
}

async fn a_new_key_is_told_of_who_waits_for_the_ladder(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    let claimed = ground.claim_all().await;
    let settled: Vec<_> = claimed.attempts.iter().map(|attempt| ground.declined(attempt.get())).collect();
    ground.settle(&settled).await.unwrap();
    let waiting = async || ground.waiting_facts(None, now() - TimeDelta::days(3), 9).await.unwrap();
    assert!(waiting().await.is_empty(), "nothing changed around them");
    ground.pass(TimeDelta::hours(1));
    let newer = BillingKeyRow { id: "bk_new".to_owned(), ..billing_key("sub_1") };
    ground.import(ImportBatch { billing_keys: vec![newer], ..ImportBatch::default() }).await.unwrap();
    let told = waiting().await;
    assert_eq!(told.len(), 1);
    assert!(told[0].has_new_key && !told[0].waits_for_key && told[0].subscription_id == "sub_1".into());
}

/// The flag is set while the charge is under way: its no ends the renewal, in the transaction that records it.
async fn a_decline_of_who_cancelled_meanwhile_ends_the_ladder(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let claimed = ground.claim_one().await;
    let declined = ground.declined(&claimed);
    let cancelled =
        renewd::store::SubscriptionRow { cancel_at_period_end: true, ..super::ground::subscription("sub_1") };
    ground.import(ImportBatch { subscriptions: vec![cancelled], ..ImportBatch::default() }).await.unwrap();
    for _ in 0..2 {
        let settled = ground.settle(std::slice::from_ref(&declined)).await.unwrap();
        assert_eq!((settled.settled.len(), settled.as_canceled.len()), (1, 1));
    }
    let timeline = ground.timeline("sub_1").await.unwrap().unwrap();
    let renewal = &timeline.renewals[0];
    assert_eq!((renewal.state.as_str(), renewal.decline_count), ("canceled", 1));
    assert_eq!(renewal.next_attempt_at, declined.next_attempt_at, "a change of mind goes on where the ladder was");
    assert_eq!(timeline.attempts[0].state, "declined");
    let told: Vec<&str> = timeline.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(told, [EventKind::RenewalCanceled.as_str()], "one message");
}
