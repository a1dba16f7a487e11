//! What the API service and a reader may do in PostgreSQL when their roles were made before the tables, and what a
//! stolen connection of theirs may not.

use super::database::execute;
use crate::crash::audit::Moment;
use crate::crash::ground::{Ground, fill};
use crate::support::postgres::PrivateServer;
use std::time::Duration;

const ROLES: &str = "CREATE ROLE renewd_app LOGIN; CREATE ROLE renewd_reader LOGIN";

/// All that the API service does in its ordinary life.
const OF_THE_APP: [&str; 12] = [
    "INSERT INTO plans (id, name, amount, currency, interval, tier, fallback_tier, order_name)
        VALUES ('max', 'Max', 99000, 'KRW', 'P1M', 'max', 'free', 'Max')",
    "UPDATE plans SET amount = 98000, updated_at = now() WHERE id = 'max'",
    "INSERT INTO customers (id, name) VALUES ('c-new', 'Kim')",
    "UPDATE customers SET email = 'kim@example.com' WHERE id = 'c-new'",
    "INSERT INTO billing_keys (id, customer_id, billing_key) VALUES ('k-new', 'c-new', 'bk-new')",
    "UPDATE billing_keys SET state = 'unusable', unusable_reason = 'taken back' WHERE id = 'k-new'",
    "DELETE FROM billing_keys WHERE id = 'k-new'",
    "INSERT INTO subscriptions (id, customer_id, plan_id, tier, current_period_start, current_period_end, anchor_day)
        VALUES ('new', 'c-new', 'max', 'max', '2026-01-01', '2026-02-01', 1)",
    "UPDATE subscriptions SET cancel_at_period_end = true, updated_at = now() WHERE id = 'new'",
    "SELECT * FROM subscriptions",
    "SELECT * FROM renewal_results",
    "SELECT * FROM subscription_access",
];

/// What nobody but renewd does.
const OF_NOBODY_ELSE: [&str; 14] = [
    "SELECT payment_id_key FROM installation",
    "UPDATE installation SET store_id = 'another', channel_type = 'TEST'",
    "UPDATE controls SET paused_at = NULL",
    "SELECT * FROM renewals",
    "UPDATE renewals SET state = 'due'",
    "INSERT INTO payments SELECT * FROM payments",
    "DELETE FROM payments",
    "SELECT request_body FROM attempts",
    "UPDATE attempts SET state = 'paid'",
    "DELETE FROM events",
    "DELETE FROM subscriptions",
    "TRUNCATE billing_keys CASCADE",
    "DROP TABLE payments",
    "ALTER TABLE renewals DISABLE TRIGGER ALL",
];

/// What the trigger of a closed book keeps even from the owner of the tables, who is the worker's own role.
const OF_NOBODY_AT_ALL: [(&str, &str); 5] = [
    ("UPDATE payments SET amount = 1", "payments are only ever added"),
    ("DELETE FROM payments", "payments are only ever added"),
    ("TRUNCATE payments", "payments are only ever added"),
    ("UPDATE renewals SET state = 'due'", "never charged again"),
    ("UPDATE attempts SET request_body = ''", "does not change"),
];

async fn may(url: &str, statement: &str) {
    execute(url, statement).await.unwrap_or_else(|refusal| panic!("{statement}: {refusal}"));
}

async fn may_not(url: &str, statement: &str, words: &[&str]) {
    let refusal = execute(url, statement).await.expect_err(statement);
    assert!(words.iter().any(|word| refusal.contains(word)), "{statement}: {refusal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_role_changes_no_book_and_reads_no_key() {
    const NOT_ALLOWED: [&str; 2] = ["permission denied", "must be owner"];
    let server = PrivateServer::start().await;
    let url = server.database("roles", "template1").await;
    may(&url, ROLES).await;
    fill(&url).await;
    let mut ground = Ground::on(url.clone(), Duration::ZERO).await;
    ground.subscribe(&[""]).await;
    let mut run = ground.run();
    assert!(run.wait().await.success(), "{}", run.said());

    let [app, reader] = ["renewd_app", "renewd_reader"].map(|role| url.replacen("renewd@", &format!("{role}@"), 1));
    for statement in OF_THE_APP {
        may(&app, statement).await;
    }
    for statement in OF_NOBODY_ELSE {
        may_not(&app, statement, &NOT_ALLOWED).await;
        may_not(&reader, statement, &NOT_ALLOWED).await;
    }
    for statement in ["SELECT * FROM renewal_results", "SELECT * FROM subscription_access"] {
        may(&reader, statement).await;
    }
    for statement in ["SELECT * FROM billing_keys", "SELECT * FROM customers", "UPDATE subscriptions SET tier = 'max'"]
    {
        may_not(&reader, statement, &NOT_ALLOWED).await;
    }
    for (statement, word) in OF_NOBODY_AT_ALL {
        may_not(&url, statement, &[word]).await;
    }
    ground.audit(Moment::AnyTime).await;
}
