//! Subscriptions that are due, and others that are not.

use chrono::{TimeDelta, Utc};
use renewd::domain::charge::BillingKey;
use renewd::store::{BillingKeyRow, CustomerRow, ImportBatch, PlanRow, Store, SubscriptionRow};
use sqlx::{Connection, PgConnection};

/// Subscriptions written by one import.
const IMPORT_ROWS: u32 = 10_000;

/// `due` subscriptions that end within the hour.
pub async fn fill(store: &dyn Store, due: u32) {
    let end = Utc::now();
    let plan = PlanRow {
        id: "pro".to_owned(),
        name: "Pro".to_owned(),
        amount: 55_000,
        currency: "KRW".to_owned(),
        interval: "P1M".to_owned(),
        tier: "pro".to_owned(),
        fallback_tier: "free".to_owned(),
        order_name: "Pro".to_owned(),
    };
    for first in (0..due).step_by(IMPORT_ROWS as usize) {
        let numbers = first..due.min(first + IMPORT_ROWS);
        let batch = ImportBatch {
            plans: vec![plan.clone()],
            customers: numbers
                .clone()
                .map(|n| CustomerRow { id: format!("user_{n}"), name: None, email: None, phone: None })
                .collect(),
            billing_keys: numbers
                .clone()
                .map(|n| BillingKeyRow {
                    id: format!("bk_{n}"),
                    customer_id: format!("user_{n}"),
                    billing_key: BillingKey::new(format!("billing-key-{n}")),
                    channel_key: None,
                    pg_provider: None,
                })
                .collect(),
            subscriptions: numbers
                .map(|n| SubscriptionRow {
                    id: format!("sub_{n}"),
                    customer_id: format!("user_{n}"),
                    plan_id: "pro".to_owned(),
                    next_plan_id: None,
                    current_period_start: end - TimeDelta::days(30),
                    current_period_end: end,
                    anchor_day: 15,
                    cancel_at_period_end: false,
                })
                .collect(),
        };
        store.import(batch).await.unwrap();
    }
}

/// Beside those, subscriptions that end on the days after the next; written by the server itself, and without looking up
/// what is there for certain, as an import of millions would take longer than what is measured.
pub async fn bystanders(url: &str, count: u32) {
    if count == 0 {
        return;
    }
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query("SET session_replication_role = replica").execute(&mut connection).await.unwrap();
    for statement in [
        "INSERT INTO customers (id) SELECT 'other_' || n FROM generate_series(1, $1) n",
        "INSERT INTO billing_keys (id, customer_id, billing_key)
        SELECT 'other_' || n, 'other_' || n, 'billing-key-other-' || n FROM generate_series(1, $1) n",
        "INSERT INTO subscriptions (id, customer_id, plan_id, tier, current_period_start, current_period_end, anchor_day)
        SELECT 'other_' || n, 'other_' || n, 'pro', 'pro', now() - interval '1 day', now() + (2 + n % 28) * interval '1 day', 15
        FROM generate_series(1, $1) n",
    ] {
        sqlx::query(statement).bind(i64::from(count)).execute(&mut connection).await.unwrap();
    }
    sqlx::query("ANALYZE").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
