//! The guards of the store in memory can be left out: each then lets through what it is there to refuse, and only that.

use super::ground::{Ground, LEASE, next_period_end, now, period_end, utc};
use chrono::TimeDelta;
use renewd::domain::claim::{ClaimDecision, ClaimFacts};
use renewd::store::memory::Guard;
use renewd::store::memory::rows::Renewal;
use renewd::store::{Paused, Switch};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Whether that slips through which `guard` is there to refuse.
async fn slips(guard: Guard, ground: &Ground) -> bool {
    ground.subscribed_and_planned(&["sub_1"]).await;
    match guard {
        Guard::LeaseEpoch => {
            let slow = ground.claim_one().await;
            ground.pass(TimeDelta::from_std(LEASE).unwrap());
            ground.take_over(9, LEASE, 3).await.unwrap();
            ground.settle(&[ground.paid(&slow)]).await.unwrap();
            ground.state("sub_1").await == "paid"
        }
        Guard::LiveLeaseForNegative => {
            let slow = ground.claim_one().await;
            ground.pass(TimeDelta::from_std(LEASE).unwrap());
            ground.settle(&[ground.declined(&slow)]).await.unwrap();
            ground.state("sub_1").await == "due"
        }
        Guard::OneDeclinePerAttempt => {
            let declined = [ground.declined(&ground.claim_one().await)];
            for _ in 0..2 {
                assert_eq!(ground.settle(&declined).await.unwrap().settled.len(), 1);
            }
            ground.count("renewals", "decline_count = 2").await == 1
        }
        Guard::LateObservation => {
            let slow = ground.claim_one().await;
            ground.pass(TimeDelta::from_std(LEASE).unwrap());
            ground.take_over(9, LEASE, 3).await.unwrap();
            ground.settle(&[ground.paid(&slow)]).await.unwrap();
            ground.count("observations", "true").await == 0
        }
        Guard::OneRenewalPerPeriod => {
            ground.plan(&["sub_1"]).await;
            ground.count("renewals", "true").await == 2
        }
        Guard::ExpectedPeriodEnd => {
            let attempt = ground.claim_one().await;
            ground.set_period_end("sub_1", utc("2026-05-01T00:00:00Z")).await;
            ground.settle(&[ground.paid(&attempt)]).await.unwrap();
            let end = ground.timeline("sub_1").await.unwrap().unwrap().subscription.current_period_end;
            end == next_period_end()
        }
        Guard::CancelUnderLock => {
            ground.set_cancel("sub_1", true).await;
            let unseen = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&unseen);
            let look = move |facts: &ClaimFacts| {
                told.store(!facts.cancel_at_period_end, Ordering::SeqCst);
                ClaimDecision::Skip
            };
            ground.claim(&ground.request(9), Arc::new(look)).await.unwrap();
            unseen.load(Ordering::SeqCst)
        }
        Guard::KillSwitch => {
            let paused = Paused { at: now(), by: "op".to_owned(), reason: "stop".to_owned() };
            ground.set_switch(&Switch { paused: Some(paused) }).await.unwrap();
            !ground.claim_all().await.attempts.is_empty()
        }
        Guard::ExpiredLeaseForTakeOver => {
            ground.claim_one().await;
            !ground.take_over(9, LEASE, 3).await.unwrap().is_empty()
        }
    }
}

#[tokio::test]
async fn a_guard_that_is_left_out_lets_through_what_it_refuses_and_nothing_else() {
    for guard in Guard::ALL {
        assert!(!slips(guard, &Ground::memory().await).await, "{guard:?}");
        assert!(slips(guard, &Ground::memory_without([guard]).await).await, "without {guard:?}");
        let others = Guard::ALL.into_iter().filter(|other| *other != guard && !is_needed_for(*other, guard));
        assert!(!slips(guard, &Ground::memory_without(others).await).await, "without all but {guard:?}");
    }
}

/// A payment under an epoch that is gone counts without that guard, so nothing is left to be observed.
fn is_needed_for(other: Guard, guard: Guard) -> bool {
    (other, guard) == (Guard::LeaseEpoch, Guard::LateObservation)
}

#[tokio::test]
async fn a_backup_that_is_put_back_has_forgotten_what_came_after() {
    let ground = Ground::memory().await;
    ground.subscribed_and_planned(&["sub_1"]).await;
    let backup = ground.in_memory().copy();
    let before = ground.timeline("sub_1").await.unwrap();
    ground.settle(&[ground.paid(&ground.claim_one().await)]).await.unwrap();
    assert_eq!(ground.timeline("sub_1").await.unwrap().unwrap().subscription.current_period_end, next_period_end());
    for _ in 0..2 {
        ground.in_memory().restore(&backup);
        assert_eq!(ground.timeline("sub_1").await.unwrap(), before);
        assert_eq!(ground.claim_all().await.attempts.len(), 1, "what came after left no trace in any index");
    }
}

/// The decision of a claim is somebody else's code.
#[tokio::test]
async fn a_step_that_panics_leaves_nothing_behind() {
    let ground = Ground::memory().await;
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    let (store, request) = (Arc::clone(&ground.store), ground.request(9));
    let charge = super::ground::charge_everything(ground.run_id());
    let first = Mutex::new(true);
    let decide = Arc::new(move |facts: &ClaimFacts| match std::mem::take(&mut *first.lock().unwrap()) {
        true => charge(facts),
        false => panic!("the second row"),
    });
    tokio::spawn(async move { store.claim(&request, decide).await }).await.unwrap_err();
    assert_eq!(ground.count("attempts", "true").await, 0);
    assert_eq!(ground.claim_all().await.attempts.len(), 2);
}

#[tokio::test]
async fn what_the_auditor_reads_is_what_was_written() {
    let ground = Ground::memory().await;
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.settle(&[ground.paid(&ground.claim_one().await)]).await.unwrap();
    let store = ground.in_memory();
    let result = &store.renewal_results()[0];
    assert_eq!((result.state, result.attempt_count, result.period_start), ("paid", 1, period_end()));
    assert_eq!(store.subscription_access()[0].access_until, next_period_end());
    assert_eq!(store.payments()[0].payment.renewal_id, Some(store.renewals()[0].id));
    assert_eq!(store.attempts()[0].transaction_id.as_deref(), Some("tx-rn-sub_1-1"));
    assert_eq!((store.events().len(), store.observations().len(), store.retired_payments().len()), (1, 0, 0));
    assert!(!store.rows("billing_keys")[0].to_string().contains("billing-key-"), "a key is never shown");
}

type Change = fn(&mut Renewal);

/// The constraints of the schema, met one by one; other checks meet the rest on every store.
#[tokio::test]
async fn what_the_schema_refuses_is_refused_in_memory_and_undone() {
    let ground = Ground::memory().await;
    let renewals = ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    let before = ground.in_memory().renewals();
    let refusals: [(&str, Change); 5] = [
        ("renewals_leased", |row| row.lease_until = Some(now())),
        ("renewals_complete", |row| row.amount = None),
        ("renewals_period", |row| row.period_end = Some(row.period_start)),
        ("renewals_one_payment_id", |row| row.payment_id = "rn-sub_2".into()),
        ("out of range", |row| row.amount = Some(0)),
    ];
    for (name, change) in refusals {
        let refusal = ground.in_memory().change_renewal(renewals[0], change).unwrap_err().to_string();
        assert!(refusal.contains(name), "{refusal}");
        assert_eq!(ground.in_memory().renewals(), before, "{name}");
    }
    ground.in_memory().set_price("pro", 0).unwrap_err();
    ground.in_memory().set_next_plan("sub_1", Some("nobody's")).unwrap_err();
    ground.in_memory().change_subscription("sub_1", |row| row.row.anchor_day = 32).unwrap_err();
    ground.remove_plan("pro").await.unwrap_err();
}
