//! A run that is stopped while its request is under way, for longer than its lease: another one takes over, and then
//! the first one goes on with an answer that is old.

use super::audit::Moment;
use super::ground::{Ground, template};
use super::worker::Signal;
use crate::support::postgres::PrivateServer;
use chrono::TimeDelta;
use renewd::gateway::simulator::Route;
use std::time::{Duration, Instant};

/// Longer than a busy machine takes to stop a process.
const LATENCY: Duration = Duration::from_secs(3);
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Longer than the lease of a claim.
const PAST_THE_LEASE: TimeDelta = TimeDelta::seconds(61);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_slept_past_its_lease_neither_charges_again_nor_tells_twice() {
    let (_server, ground, said) = sleep_through_an_answer("").await;
    assert_eq!(count(&ground, "SELECT count(*) FROM renewals WHERE state = 'paid'").await, 1);
    assert_eq!(count(&ground, "SELECT count(*) FROM attempts").await, 1);
    assert_eq!(count(&ground, "SELECT count(*) FROM payments").await, 1);
    assert_eq!(ground.simulator.model().ledger().requests(Route::Charge), 1);
    assert!(said.contains("another worker took over"), "{said}");
    ground.audit(Moment::AtTheEnd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decline_that_was_slept_over_counts_once() {
    let (_server, ground, said) = sleep_through_an_answer("-insufficient-once").await;
    assert_eq!(count(&ground, "SELECT decline_count FROM renewals WHERE state = 'due'").await, 1);
    assert_eq!(count(&ground, "SELECT count(*) FROM events WHERE kind = 'renewal.declined'").await, 1);
    assert!(said.contains("another worker took over"), "{said}");
    ground.audit(Moment::AnyTime).await;
    // The ladder goes on as if there had been one run only.
    ground.clock.pass(TimeDelta::days(1));
    let mut later = ground.run();
    assert!(later.wait().await.success(), "{}", later.said());
    assert_eq!(count(&ground, "SELECT count(*) FROM renewals WHERE state = 'paid'").await, 1);
    ground.audit(Moment::AtTheEnd).await;
}

/// One subscription; a run stopped with its request at the gateway, another run that resolves it, and the first one
/// again to its end. What they stood on, and what the first run said.
async fn sleep_through_an_answer(ending: &str) -> (PrivateServer, Ground, String) {
    let server = PrivateServer::start().await;
    let template = template(&server).await;
    let mut ground = Ground::open(&server, &template, LATENCY).await;
    ground.subscribe(&[ending]).await;
    let mut sleeper = ground.run();
    until(|| ground.simulator.model().ledger().requests(Route::Charge) == 1).await;
    assert!(sleeper.signal(Signal::Stop), "{}", sleeper.said());
    tokio::time::sleep(LATENCY).await;
    ground.clock.pass(PAST_THE_LEASE);
    let mut other = ground.run();
    assert!(other.wait().await.success(), "{}", other.said());
    ground.audit(Moment::AnyTime).await;
    let settled = "SELECT count(*) FROM attempts WHERE state <> 'open'";
    assert_eq!(count(&ground, settled).await, 1, "the other run did not take over:\n{}", other.said());
    assert!(sleeper.signal(Signal::Continue), "{}", sleeper.said());
    sleeper.wait().await;
    (server, ground, sleeper.said())
}

async fn count(ground: &Ground, statement: &'static str) -> i64 {
    ground.count(statement).await
}

async fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < WAIT_MAX, "it never came");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
