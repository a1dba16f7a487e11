//! Several workers and the API service at once.

use super::ground::{Ground, charge_everything, now};
use super::on_all;
use renewd::domain::claim::ClaimDecision;
use renewd::domain::ids::RenewalId;
use renewd::store::sql::Database;
use renewd::store::{ClaimRequest, Paused, Store, Switch};
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

on_all!(eight_claimers_share_what_is_due, a_payment_that_two_workers_found_is_recorded_once; sql: a_cancellation_comes_before_the_claim_or_after_it);

const RENEWALS: usize = 400;

fn names() -> Vec<String> {
    (0..RENEWALS).map(|number| format!("sub_{number:03}")).collect()
}

async fn many(ground: &Ground) -> Vec<String> {
    let names = names();
    let ids: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(ground.subscribed_and_planned(&ids).await.len(), RENEWALS);
    names
}

/// Another process on the same database.
async fn neighbour(ground: &Ground) -> Arc<dyn Store> {
    ground.neighbour(Arc::new(ground.clock.clone())).await
}

async fn eight_claimers_share_what_is_due(ground: Ground) {
    many(&ground).await;
    let stores = [Arc::clone(&ground.store), neighbour(&ground).await];
    let claimers: Vec<_> = (0..8_usize)
        .map(|number| {
            let (store, run_id) = (stores[number % 2].clone(), ground.run_id());
            tokio::spawn(async move { claim_until_nothing_is_due(&*store, &request(run_id)).await })
        })
        .collect();
    let mut claimed: Vec<RenewalId> = Vec::new();
    for claimer in claimers {
        claimed.extend(claimer.await.unwrap());
    }
    assert_eq!(claimed.len(), RENEWALS);
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), RENEWALS, "nothing is claimed twice");
    assert_eq!(ground.count("attempts", "state = 'open'").await, i64::try_from(RENEWALS).unwrap());
}

fn request(run_id: renewd::domain::ids::RunId) -> ClaimRequest {
    ClaimRequest { run_id, rows_max: 20, lease: Duration::from_secs(600), after: None, only: None }
}

async fn claim_until_nothing_is_due(store: &dyn Store, request: &ClaimRequest) -> Vec<RenewalId> {
    let decide = charge_everything(request.run_id);
    let mut claimed = Vec::new();
    loop {
        let batch = store.claim(request, Arc::clone(&decide)).await.unwrap();
        claimed.extend(batch.attempts.iter().map(|attempt| attempt.get().renewal.id));
        // A neighbour may hold what is left; its locks are short.
        if batch.seen == 0 && store.backlog().await.unwrap().due_now == 0 {
            return claimed;
        }
    }
}

/// Each cancellation looks, in its own transaction, whether its renewal was claimed before it. Whatever it saw must be
/// how it ended: a claim that comes later sees the cancellation.
async fn a_cancellation_comes_before_the_claim_or_after_it(ground: Ground) {
    let names = many(&ground).await;
    let (store, run_id) = (Arc::clone(&ground.store), ground.run_id());
    let charge = charge_everything(run_id);
    let claiming = tokio::spawn(async move {
        let decide = Arc::new(move |facts: &_| respectful(facts, &charge));
        let mut after = None;
        loop {
            let request = ClaimRequest { after, ..request(run_id) };
            let batch = store.claim(&request, Arc::clone(&decide) as _).await.unwrap();
            after = batch.last;
            if batch.seen == 0 {
                break;
            }
        }
    });
    let mut seen = Vec::new();
    // From the far end, so that they meet in the middle.
    for name in names.iter().rev() {
        seen.push((name, cancel_and_look(&ground, name).await));
    }
    claiming.await.unwrap();
    for (name, state) in seen {
        assert_eq!(ground.state(name).await, state, "{name}");
    }
}

fn respectful(facts: &renewd::domain::claim::ClaimFacts, charge: &renewd::store::ClaimDecider) -> ClaimDecision {
    if facts.cancel_at_period_end { ClaimDecision::Skip } else { charge(facts) }
}

/// Cancels as the API service does, and says what the renewal's state is once the subscription's row is held.
async fn cancel_and_look(ground: &Ground, id: &str) -> String {
    let cancel = AssertSqlSafe(format!("UPDATE subscriptions SET cancel_at_period_end = true WHERE id = '{id}'"));
    let look = AssertSqlSafe(format!("SELECT state FROM renewals WHERE subscription_id = '{id}'"));
    match ground.database() {
        Database::Postgres(pools) => {
            let mut tx = pools.main.begin().await.unwrap();
            sqlx::query(cancel).execute(&mut *tx).await.unwrap();
            let state = sqlx::query_scalar(look).fetch_one(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            state
        }
        Database::Sqlite(pools) => {
            let mut tx = pools.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
            sqlx::query(cancel).execute(&mut *tx).await.unwrap();
            let state = sqlx::query_scalar(look).fetch_one(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            state
        }
    }
}

async fn a_payment_that_two_workers_found_is_recorded_once(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let paid = ground.paid(&ground.claim_one().await);
    let other = neighbour(&ground).await;
    let batch = std::slice::from_ref(&paid);
    let (first, second) = tokio::join!(ground.settle(batch), other.settle(batch));
    assert_eq!((first.unwrap().settled.len(), second.unwrap().settled.len()), (1, 1));
    assert_eq!(ground.count("payments", "true").await, 1);
    assert_eq!(ground.count("events", "kind = 'renewal.paid'").await, 1);
}

/// Renewals that a neighbour holds are passed over, not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_passes_over_what_others_hold() {
    let ground = Ground::postgres("passes_over").await;
    ground.subscribed_and_planned(&["sub_1", "sub_2"]).await;
    let Database::Postgres(pools) = ground.database() else { unreachable!() };
    let mut tx = pools.main.begin().await.unwrap();
    let hold = "SELECT id FROM renewals WHERE subscription_id = 'sub_1' FOR UPDATE";
    sqlx::query(hold).fetch_all(&mut *tx).await.unwrap();
    // A claim that waited would end as busy.
    let claimed = ground.claim_all().await;
    assert_eq!((claimed.seen, claimed.attempts.len()), (1, 1));
    tx.rollback().await.unwrap();
}

/// A claim waits for a cancellation that has begun, and then sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_a_cancellation_that_has_begun() {
    let ground = Ground::postgres("waits_for_cancel").await;
    ground.subscribed_and_planned(&["sub_1"]).await;
    let Database::Postgres(pools) = ground.database() else { unreachable!() };
    let mut tx = pools.main.begin().await.unwrap();
    sqlx::query("UPDATE subscriptions SET cancel_at_period_end = true").execute(&mut *tx).await.unwrap();
    let (store, request) = (Arc::clone(&ground.store), ground.request(9));
    let charge = charge_everything(request.run_id);
    let claiming =
        tokio::spawn(async move { store.claim(&request, Arc::new(move |facts| respectful(facts, &charge))).await });
    until_somebody_waits(&ground).await;
    tx.commit().await.unwrap();
    let claimed = claiming.await.unwrap().unwrap();
    assert_eq!((claimed.seen, claimed.attempts.len()), (1, 0));
}

/// Who turned the kill switch knows: from now on nothing starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_switch_waits_for_a_claim_that_has_begun() {
    let ground = Ground::postgres("switch_waits").await;
    ground.subscribed_and_planned(&["sub_1"]).await;
    let (entered, turn_seen) = (Arc::new(tokio::sync::Notify::new()), Arc::new(AtomicBool::new(false)));
    let (told, may_go_on) = (Arc::clone(&entered), Arc::clone(&turn_seen));
    let (store, request) = (Arc::clone(&ground.store), ground.request(9));
    let charge = charge_everything(request.run_id);
    let claiming = tokio::spawn(async move {
        let decide = move |facts: &_| {
            told.notify_one();
            for _ in 0..3_000 {
                if may_go_on.load(Ordering::SeqCst) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            charge(facts)
        };
        store.claim(&request, Arc::new(decide)).await
    });
    entered.notified().await;
    let store = Arc::clone(&ground.store);
    let paused = Paused { at: now(), by: "op".to_owned(), reason: "stop".to_owned() };
    let turning = tokio::spawn(async move { store.set_switch(&Switch { paused: Some(paused) }).await });
    until_somebody_waits(&ground).await;
    assert!(!turning.is_finished());
    turn_seen.store(true, Ordering::SeqCst);
    assert_eq!(claiming.await.unwrap().unwrap().attempts.len(), 1);
    turning.await.unwrap().unwrap();
    assert!(ground.claim_all().await.paused);
}

/// Until a connection of this database waits for a lock.
async fn until_somebody_waits(ground: &Ground) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..6_000 {
        if ground.text(waiting).await.as_deref() != Some("0") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody waits");
}
