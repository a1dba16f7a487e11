//! What the API service and a reader may do in PostgreSQL when their roles were made before the tables, and what a
//! stolen connection of theirs may not.

use super::database::execute;
use crate::crash::audit::Moment;
use crate::crash::ground::{Ground, fill};
use crate::support::postgres::PrivateServer;
use sqlx::{Connection, PgConnection};
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
const OF_NOBODY_ELSE: [&str; 17] = [
    "SELECT payment_id_key FROM installation",
    "UPDATE installation SET store_id = 'another', channel_type = 'TEST'",
    "UPDATE controls SET paused_at = NULL",
    "SELECT * FROM renewals",
    "UPDATE renewals SET state = 'due'",
    "INSERT INTO payments SELECT * FROM payments",
    "DELETE FROM payments",
    "SELECT request_body FROM attempts",
    "SELECT pg_code, pg_message FROM attempts",
    "SELECT * FROM observations",
    "UPDATE renewal_results SET state = 'paid'",
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

/// Every right that a role has on a table, a view or a column, one a line: what is not here, it has not.
const RIGHTS: &str = "
    SELECT rolname || ' ' || relname || ' ' || string_agg(privilege, ' ' ORDER BY number)
    FROM pg_class, unnest(ARRAY['renewd_app', 'renewd_reader']) rolname,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
            WITH ORDINALITY AS each (privilege, number)
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
        AND has_table_privilege(rolname, pg_class.oid, privilege)
    GROUP BY rolname, relname
    UNION ALL
    SELECT rolname || ' ' || relname || '.' || attname || ' ' || privilege
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, unnest(ARRAY['renewd_app', 'renewd_reader']) rolname,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) privilege
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') AND attnum > 0
        AND NOT has_table_privilege(rolname, pg_class.oid, privilege)
        AND has_column_privilege(rolname, pg_class.oid, attnum, privilege)
    ORDER BY 1";

/// All of them. A table that a migration adds is nobody's but renewd's until a line here says otherwise.
const ALL_RIGHTS: [&str; 10] = [
    "renewd_app attempts.billing_key_id SELECT",
    "renewd_app attempts.state SELECT",
    "renewd_app billing_keys SELECT INSERT UPDATE DELETE",
    "renewd_app customers SELECT INSERT UPDATE",
    "renewd_app plans SELECT INSERT UPDATE",
    "renewd_app renewal_results SELECT",
    "renewd_app subscription_access SELECT",
    "renewd_app subscriptions SELECT INSERT UPDATE",
    "renewd_reader renewal_results SELECT",
    "renewd_reader subscription_access SELECT",
];

async fn rights(url: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.expect("the running server");
    let rights = sqlx::query_scalar(RIGHTS).fetch_all(&mut connection).await.expect("a list");
    connection.close().await.expect("a clean goodbye");
    rights
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roles_have_these_rights_and_no_others() {
    let server = PrivateServer::start().await;
    let url = server.database("rights", "template1").await;
    may(&url, ROLES).await;
    fill(&url).await;
    assert_eq!(rights(&url).await, ALL_RIGHTS);
    may(&url, "GRANT SELECT ON attempts TO renewd_reader").await;
    assert_eq!(rights(&url).await.len(), ALL_RIGHTS.len() + 1, "one more would be seen");
}

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
