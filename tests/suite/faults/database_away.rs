//! PostgreSQL that is lost at the worst moment, or does not take what is written.

use super::ground;
use crate::crash::audit::Moment;
use crate::crash::ground::Ground;
use crate::support::postgres_proxy::{Habit, PostgresProxy};
use chrono::TimeDelta;
use renewd::gateway::simulator::Route;
use std::time::{Duration, Instant};

/// What only a claim prepares, and what only a settle does.
const CLAIM: &str = "INSERT INTO attempts";
const SETTLE: &str = "INSERT INTO payments";

/// Longer than a lease, and than it takes until what the gateway never received may be sent again.
const LATER: TimeDelta = TimeDelta::minutes(11);
const WAIT_MAX: Duration = Duration::from_secs(120);

/// One subscription, and somebody with this habit between the first run and the database.
async fn behind(habit: Habit, name: &str) -> (Ground, PostgresProxy) {
    let mut ground = ground(name, Duration::ZERO).await;
    ground.subscribe(&[""]).await;
    let proxy = PostgresProxy::start(&ground.auditor.database_url, habit);
    ground.set("DATABASE_URL", proxy.url());
    (ground, proxy)
}

fn charges(ground: &Ground) -> u64 {
    ground.simulator.model().ledger().requests(Route::Charge)
}

async fn assert_charged_once(ground: &Ground) {
    assert_eq!(charges(ground), 1);
    for (what, statement) in [
        ("payments", "SELECT count(*) FROM payments"),
        ("tellings", "SELECT count(*) FROM events WHERE kind = 'renewal.paid'"),
        ("attempts", "SELECT count(*) FROM attempts WHERE state = 'paid'"),
        ("periods moved", "SELECT count(*) FROM subscriptions WHERE current_period_end > '2026-02-01'"),
    ] {
        assert_eq!(ground.count(statement).await, 1, "{what}");
    }
    ground.audit(Moment::AtTheEnd).await;
}

async fn a_settle_is_done_once(habit: Habit, name: &str) {
    let (ground, proxy) = behind(habit, name).await;
    let mut run = ground.run();
    assert!(run.wait().await.success(), "{}", run.said());
    assert!(proxy.struck() == 1 && run.said().contains("the database is away"), "{}", run.said());
    assert_charged_once(&ground).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settle_whose_commit_was_done_and_not_heard_of_is_done_once() {
    a_settle_is_done_once(Habit::CutAfterCommit(SETTLE), "settle_after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settle_whose_commit_was_lost_is_done_once() {
    a_settle_is_done_once(Habit::CutBeforeCommit(SETTLE), "settle_before").await;
}

async fn a_claim_charges_nobody_and_the_next_run_does(habit: Habit, name: &str, attempts: i64) {
    let (ground, proxy) = behind(habit, name).await;
    let mut run = ground.run();
    assert_eq!(run.wait().await.code(), Some(1), "{}", run.said());
    assert!(run.said().contains("the database cannot be used"), "{}", run.said());
    assert_eq!((proxy.struck(), charges(&ground)), (1, 0), "nobody knows whether it is on disk: {}", run.said());
    assert_eq!(ground.count("SELECT count(*) FROM attempts WHERE state = 'open'").await, attempts);
    // The first one looks up what was left; what never arrived is sent again later.
    for _ in 0..2 {
        ground.clock.pass(LATER);
        let mut next = ground.run();
        assert!(next.wait().await.success(), "{}", next.said());
    }
    assert_charged_once(&ground).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_commit_was_done_and_not_heard_of_sends_nothing() {
    a_claim_charges_nobody_and_the_next_run_does(Habit::CutAfterCommit(CLAIM), "claim_after", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_commit_was_lost_sends_nothing() {
    a_claim_charges_nobody_and_the_next_run_does(Habit::CutBeforeCommit(CLAIM), "claim_before", 0).await;
}

async fn read_only(ground: &Ground, is_so: bool) {
    let word = if is_so { "on" } else { "off" };
    let database = ground.auditor.database_url.split('?').next().and_then(|url| url.rsplit('/').next());
    let database = database.expect("a database's name");
    // The switch itself must work while the database is read-only.
    ground
        .execute(format!(
            "BEGIN READ WRITE; ALTER DATABASE {database} SET default_transaction_read_only = {word}; COMMIT"
        ))
        .await;
    ground.cut_connections().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_while_the_database_takes_nothing() {
    let mut ground = ground("read_only", Duration::ZERO).await;
    ground.subscribe(&[""; 3]).await;
    read_only(&ground, true).await;
    let mut run = ground.run();
    assert_eq!(run.wait().await.code(), Some(1), "{}", run.said());
    let said = run.said();
    assert!(said.contains("the database cannot be used") && said.contains("read-only"), "{said}");
    assert_eq!(charges(&ground), 0);
    read_only(&ground, false).await;
    let mut run = ground.run();
    assert!(run.wait().await.success(), "{}", run.said());
    ground.audit(Moment::AtTheEnd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_wait_for_a_database_that_is_read_only_for_a_moment_and_no_claim_follows() {
    const UNDER_WAY: u64 = 3;
    const LATENCY: Duration = Duration::from_millis(400);
    let mut ground = ground("failover", LATENCY).await;
    ground.set("RENEWD_CHARGE__SETTLE_ROWS_MAX", "1".to_owned());
    ground.subscribe(&[""; 30]).await;
    let mut run = ground.run();
    until(|| charges(&ground) >= UNDER_WAY).await;
    read_only(&ground, true).await;
    let claimed = ground.count("SELECT count(*) FROM attempts").await;
    until(|| run.said().contains("the database is away") || run.ended().is_some()).await;
    // Long enough for another round of charges.
    tokio::time::sleep(2 * LATENCY).await;
    assert_eq!(ground.count("SELECT count(*) FROM attempts").await, claimed);
    let sent = charges(&ground);
    assert!(sent <= claimed.unsigned_abs(), "{sent} sent of {claimed} claimed: {}", run.said());
    read_only(&ground, false).await;
    // A claim that was on its way when the connections went fails the run; the results get in all the same.
    assert!(matches!(run.wait().await.code(), Some(0 | 1)), "{}", run.said());
    let paid = ground.count("SELECT count(*) FROM attempts WHERE state = 'paid'").await;
    assert_eq!(paid.unsigned_abs(), charges(&ground), "{}", run.said());
    ground.clock.pass(LATER);
    let mut next = ground.run();
    assert!(next.wait().await.success(), "{}", next.said());
    ground.audit(Moment::AtTheEnd).await;
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < WAIT_MAX, "it never came");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
