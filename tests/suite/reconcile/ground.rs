//! Backups of a world's database, what a reconciliation is asked, and a gateway that tells other things than it did.

use crate::support::postgres;
use crate::told::Told;
use crate::world::{On, World};
use chrono::{DateTime, TimeDelta, Utc};
use renewd::domain::action::Hand;
use renewd::domain::payment::Payment;
use renewd::engine::control;
use renewd::engine::reconcile::ReconcileRequest;
use renewd::engine::reconcile::report::ReconcileReport;
use renewd::gateway::{Gateway, ListedBy, PaymentPage};
use renewd::shutdown::Shutdown;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// A copy of the database as it is now; its URL.
pub async fn backup(world: &World, on: On) -> String {
    let url = world.app.config.database.url.expose();
    match on {
        On::Postgres => postgres::copy_of(url).await,
        On::Sqlite => {
            let file = format!("{url}.backup");
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            let path = file.trim_start_matches("sqlite://");
            sqlx::query(AssertSqlSafe(format!("VACUUM INTO '{path}'"))).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            file
        }
    }
}

/// Compares the last two days.
pub async fn reconcile(world: &World) -> ReconcileReport {
    let now = world.store.now().await.unwrap();
    reconcile_between(world, now - TimeDelta::days(2), now).await
}

pub async fn reconcile_between(world: &World, from: DateTime<Utc>, until: DateTime<Utc>) -> ReconcileReport {
    let request = ReconcileRequest { trigger: "test".to_owned(), actor: "test".to_owned(), from, until };
    world.engine.reconcile(&request, &Shutdown::new(Duration::from_secs(8))).await.unwrap()
}

/// A person says that charging may go on.
pub async fn resume(world: &World) {
    let new_id = || world.app.chance.id(world.app.clock.now());
    let hand = Hand::of("ops").because("checked");
    assert!(control::resume(&*world.store, &new_id, &hand).await.unwrap().is_some(), "it was held");
}

/// Why charging is paused.
pub async fn paused(world: &World) -> Option<String> {
    world.store.switch().await.unwrap().paused.map(|paused| format!("{}: {}", paused.by, paused.reason))
}

/// How many observations of a payment there are, by whoever saw it.
pub async fn observations(world: &World, on: On, payment_id: &str, seen_by: &str) -> i64 {
    count(world, on, format!("observations WHERE payment_id = '{payment_id}' AND seen_by = '{seen_by}'")).await
}

/// How many events of a kind there are.
pub async fn events(world: &World, on: On, kind: &str) -> i64 {
    count(world, on, format!("events WHERE kind = '{kind}'")).await
}

async fn count(world: &World, on: On, what: String) -> i64 {
    let url = world.app.config.database.url.expose();
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
    match on {
        On::Postgres => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        }
        On::Sqlite => {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        }
    }
}

/// What the API service sees of these subscriptions, and the money: without the times of our own doing.
pub async fn results(world: &World, subscriptions: &[&str]) -> Vec<String> {
    let mut results = Vec::new();
    for id in subscriptions {
        let timeline = world.timeline(id).await;
        let subscription = &timeline.subscription;
        results.push(format!("{id} {} {} {}", subscription.status, subscription.tier, subscription.current_period_end));
        for one in &timeline.renewals {
            results.push(format!(
                "{id} {} {:?} {:?} {} {} attempts",
                one.period_start, one.period_end, one.amount, one.state, one.attempt_count
            ));
        }
        let mut payments = timeline.payments.clone();
        payments.sort_by_key(|one| one.paid_at);
        for one in &payments {
            results.push(format!("{id} {} {} {:?} {:?}", one.payment_id, one.status, one.amount, one.paid_at));
        }
        results.extend(timeline.attempts.iter().map(|one| format!("{id} {} {}", one.number, one.state)));
    }
    results
}

/// From now on the gateway tells each payment as `otherwise` makes it; the charges are the same.
pub fn tell_otherwise(world: &mut World, otherwise: impl Fn(&mut Payment) + Send + Sync + 'static) {
    world.engine.gateway = Arc::new(Told { payment: Box::new(otherwise), ..Told::by(&world.engine.gateway) });
}

/// From now on listings show their pages so; look-ups are as ever.
pub fn list_otherwise(world: &mut World, page: fn(&mut PaymentPage)) {
    world.engine.gateway = Arc::new(Told { page, ..Told::by(&world.engine.gateway) });
}

/// From now on the gateway does not list by this time.
pub fn refuse_listings_by(world: &mut World, by: ListedBy) {
    world.engine.gateway = Arc::new(Told { refused: Some(by), ..Told::by(&world.engine.gateway) });
}

/// As if this store took so many payments that no listing may be of a longer time.
pub fn list_at_most(world: &mut World, time: TimeDelta) {
    world.engine.gateway = Arc::new(Told { lists_at_most: time, ..Told::by(&world.engine.gateway) });
}

/// After so many listings the gateway refuses to list; answers what undoes that.
pub fn refuse_listings_after(world: &mut World, listings: u32) -> Arc<dyn Gateway> {
    let before = Arc::clone(&world.engine.gateway);
    world.engine.gateway = Arc::new(Told { listings: AtomicU32::new(listings), ..Told::by(&before) });
    before
}
