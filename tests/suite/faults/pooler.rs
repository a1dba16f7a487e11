//! What stands in front of PostgreSQL, and who migrates it.

use super::{database, ground};
use crate::crash::audit::Moment;
use crate::crash::ground::Ground;
use crate::crash::worker::Worker;
use crate::support::postgres;
use crate::support::postgres_proxy::{Habit, PostgresProxy};
use renewd::gateway::simulator::Route;
use std::time::Duration;

const SUBSCRIPTIONS: usize = 12;

/// A pooler hands out another server for each transaction: what a session was told or has prepared is gone.
async fn behind_a_pooler(name: &str) -> (Ground, PostgresProxy) {
    let mut ground = ground(name, Duration::ZERO).await;
    ground.subscribe(&[""; SUBSCRIPTIONS]).await;
    let proxy = PostgresProxy::start(&ground.auditor.database_url, Habit::ForgetSessions);
    ground.set("DATABASE_URL", proxy.url());
    (ground, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_forgets_sessions_is_no_hindrance_and_doctor_tells_of_it() {
    let (ground, proxy) = behind_a_pooler("pooler").await;
    let mut run = ground.run();
    assert!(run.wait().await.success(), "{}", run.said());
    assert!(proxy.struck() > 0, "nothing was forgotten");
    assert_eq!(ground.simulator.model().ledger().requests(Route::Charge), SUBSCRIPTIONS as u64);
    ground.audit(Moment::AtTheEnd).await;
    let mut doctor = ground.worker(&["doctor"]);
    doctor.wait().await;
    assert!(doctor.said().contains("a pooler in transaction mode?"), "{}", doctor.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_at_once_make_one_database() {
    let url = postgres::database("migrations").await;
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [("DATABASE_URL", url.clone())];
    let mut migrations: Vec<Worker> = (0..4)
        .map(|number| Worker::start(&["migrate"], &settings, &folder.path().join(format!("migration-{number}"))))
        .collect();
    for migration in &mut migrations {
        assert!(migration.wait().await.success(), "{}", migration.said());
    }
    assert_eq!(database::number(&url, "SELECT count(*) FROM installation").await, 1);
}
