//! Backups of a world's database, what a reconciliation is asked, and a gateway that tells other things than it did.

use crate::support::postgres;
use crate::world::{On, World};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use renewd::domain::charge::{Attempt, BillingKey, FrozenRequest, Order};
use renewd::domain::ids::PaymentId;
use renewd::domain::payment::{LookUp, Payment};
use renewd::engine::control;
use renewd::engine::reconcile::ReconcileRequest;
use renewd::engine::reconcile::report::ReconcileReport;
use renewd::gateway::{
    Answer, BillingKeyStatus, Cancellation, CancellationStatus, Gateway, GatewayError, PaymentPage, PaymentRange,
};
use renewd::shutdown::Shutdown;
use renewd::store::Committed;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
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
    let id = renewd::domain::ids::EventId(world.app.chance.id(world.app.clock.now()));
    assert!(control::resume(&*world.store, id, "ops", "checked").await.unwrap().is_some(), "it was held");
}

/// Why charging is paused.
pub async fn paused(world: &World) -> Option<String> {
    world.store.switch().await.unwrap().paused.map(|paused| format!("{}: {}", paused.by, paused.reason))
}

/// How many observations of a payment there are, by whoever saw it.
pub async fn observations(world: &World, on: On, payment_id: &str, seen_by: &str) -> i64 {
    let url = world.app.config.database.url.expose();
    let sql = format!("SELECT count(*) FROM observations WHERE payment_id = '{payment_id}' AND seen_by = '{seen_by}'");
    let sql = AssertSqlSafe(sql);
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

/// The gateway of a world, with some payments told otherwise.
struct Told<F> {
    gateway: Arc<dyn Gateway>,
    otherwise: F,
    /// Listings that are answered before none is any more.
    listings: AtomicU32,
    /// A listing of a longer time than this is said to hold more than can be listed.
    lists_at_most: TimeDelta,
}

/// From now on the gateway tells each payment as `otherwise` makes it; the charges are the same.
pub fn tell_otherwise(world: &mut World, otherwise: impl Fn(&mut Payment) + Send + Sync + 'static) {
    let gateway = Arc::clone(&world.engine.gateway);
    world.engine.gateway =
        Arc::new(Told { gateway, otherwise, listings: AtomicU32::new(u32::MAX), lists_at_most: TimeDelta::MAX });
}

/// As if this store took so many payments that no listing may be of a longer time.
pub fn list_at_most(world: &mut World, time: TimeDelta) {
    let gateway = Arc::clone(&world.engine.gateway);
    let otherwise = |_: &mut Payment| {};
    world.engine.gateway =
        Arc::new(Told { gateway, otherwise, listings: AtomicU32::new(u32::MAX), lists_at_most: time });
}

/// After so many listings the gateway refuses to list; answers what undoes that.
pub fn refuse_listings_after(world: &mut World, listings: u32) -> Arc<dyn Gateway> {
    let gateway = Arc::clone(&world.engine.gateway);
    let before = Arc::clone(&gateway);
    world.engine.gateway = Arc::new(Told {
        gateway,
        otherwise: |_: &mut Payment| {},
        listings: AtomicU32::new(listings),
        lists_at_most: TimeDelta::MAX,
    });
    before
}

#[async_trait]
impl<F: Fn(&mut Payment) + Send + Sync> Gateway for Told<F> {
    fn freeze(&self, order: &Order) -> FrozenRequest {
        self.gateway.freeze(order)
    }

    async fn charge(&self, attempt: &Committed<Attempt>) -> Answer {
        self.gateway.charge(attempt).await
    }

    async fn payment(&self, id: &PaymentId) -> LookUp {
        let mut found = self.gateway.payment(id).await;
        if let LookUp::Found(payment) = &mut found {
            (self.otherwise)(payment);
        }
        found
    }

    async fn payments(&self, range: &PaymentRange) -> Result<PaymentPage, GatewayError> {
        if self.listings.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(GatewayError::Unauthorized("no more".to_owned()));
        }
        let mut page = self.gateway.payments(range).await?;
        page.items.iter_mut().for_each(&self.otherwise);
        if range.until - range.from > self.lists_at_most {
            page.total = 60_001;
        }
        Ok(page)
    }

    async fn cancel(&self, cancellation: &Cancellation) -> Result<CancellationStatus, GatewayError> {
        self.gateway.cancel(cancellation).await
    }

    async fn billing_key(&self, key: &BillingKey) -> Result<BillingKeyStatus, GatewayError> {
        self.gateway.billing_key(key).await
    }

    fn clock_skew(&self) -> Option<chrono::Duration> {
        self.gateway.clock_skew()
    }
}
