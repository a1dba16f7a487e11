//! The schema: made once, told apart when it is not the one that is needed, and the same on both databases.

use super::ground::{Ground, close, now};
use super::on_all;
use crate::support::postgres;
use crate::support::sqlite::SqliteFile;
use chrono::TimeDelta;
use renewd::clock::SettableClock;
use renewd::domain::event::EventKind;
use renewd::store::sql::{self, Database, SqlStore};
use renewd::store::{ClosedRun, Migrated, NewRun, Pinned, SchemaProblem, Store, StoreError};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;
use std::sync::Arc;

on_all!(migrating_again_changes_nothing, the_first_pin_stays, a_run_is_opened_and_closed; sql: a_newer_schema_and_a_changed_migration_are_told_apart);

/// The version that this program needs.
const VERSION: i64 = 9;

async fn problem(store: &dyn Store) -> Option<SchemaProblem> {
    match store.check_schema().await {
        Ok(()) => None,
        Err(StoreError::Schema(problem)) => Some(problem),
        Err(other) => panic!("{other:?}"),
    }
}

async fn a_newer_schema_and_a_changed_migration_are_told_apart(ground: Ground) {
    assert_eq!(problem(&*ground).await, None);
    let future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        SELECT 999, 'future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    ground.sql(future).await.unwrap();
    assert_eq!(problem(&*ground).await, Some(SchemaProblem::TooNew { found: 999, needed: VERSION }));
    let refusal = ground.migrate(None).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Schema(SchemaProblem::TooNew { .. })), "{refusal}");
    ground.sql("DELETE FROM _sqlx_migrations WHERE version = 999").await.unwrap();
    let changed = match ground.database() {
        Database::Postgres(_) => "UPDATE _sqlx_migrations SET checksum = decode('00', 'hex')",
        Database::Sqlite(_) => "UPDATE _sqlx_migrations SET checksum = X'00'",
    };
    ground.sql(changed).await.unwrap();
    assert_eq!(problem(&*ground).await, Some(SchemaProblem::Changed { version: 1 }));
    ground.migrate(None).await.unwrap_err();
}

async fn migrating_again_changes_nothing(ground: Ground) {
    let key = ground.installation().await.unwrap().payment_id_key;
    assert_eq!(ground.migrate(None).await.unwrap(), Migrated { before: VERSION, after: VERSION });
    let again = ground.installation().await.unwrap();
    assert_eq!(again.payment_id_key.expose_secret(), key.expose_secret());
    let other = SecretString::from("ab".repeat(32));
    let refusal = ground.migrate(Some(other)).await.unwrap_err().to_string();
    assert!(refusal.contains("another key") && !refusal.contains("abab"), "{refusal}");
}

async fn the_first_pin_stays(ground: Ground) {
    assert_eq!(ground.installation().await.unwrap().pinned, None);
    let pin = |store: &str| Pinned { store_id: store.to_owned(), channel_type: "TEST".to_owned() };
    assert_eq!(ground.pin(&pin("store-1")).await.unwrap(), pin("store-1"));
    assert_eq!(ground.pin(&pin("store-2")).await.unwrap(), pin("store-1"));
    assert_eq!(ground.installation().await.unwrap().pinned, Some(pin("store-1")));
}

async fn a_run_is_opened_and_closed(ground: Ground) {
    let (first, second) = (ground.run_id(), ground.run_id());
    for (id, later) in [(first, 0), (second, 60)] {
        let run = NewRun {
            id,
            trigger: "cli".to_owned(),
            business_date: now().date_naive(),
            zone: "Asia/Seoul".to_owned(),
            actor: "op@host".to_owned(),
            started_at: now() + TimeDelta::seconds(later),
        };
        ground.open_run(&run).await.unwrap();
    }
    let open = ground.run(first).await.unwrap().unwrap();
    assert_eq!((open.status.as_str(), open.figures.to_string().as_str(), open.finished_at), ("running", "{}", None));
    let mut told = ground.event(EventKind::RunCompleted, "sub_1", ground.planned("sub_1").id);
    (told.subscription_id, told.renewal_id) = (None, None);
    let closed = ClosedRun {
        id: first,
        status: "completed".to_owned(),
        figures: serde_json::json!({"paid": 3}),
        error: None,
        finished_at: now() + TimeDelta::seconds(90),
        events: vec![told],
        coverage: Vec::new(),
    };
    ground.close_run(&closed).await.unwrap();
    let row = ground.run(first).await.unwrap().unwrap();
    assert_eq!((row.status.as_str(), row.figures["paid"].as_i64()), ("completed", Some(3)));
    assert_eq!(row.finished_at, Some(now() + TimeDelta::seconds(90)));
    let latest: Vec<String> = ground.runs(9).await.unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(latest, [second.to_string(), first.to_string()]);
    assert_eq!(ground.count("events", "kind = 'run.completed'").await, 1);
}

async fn empty(url: &str) -> SqlStore {
    sql::connect(&SecretString::from(url.to_owned()), 2, Arc::new(SettableClock::at(now()))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_tables_is_told_and_made_with_the_key_that_was_given() {
    let file = SqliteFile::new();
    for url in [postgres::database("empty").await, file.url()] {
        let store = empty(&url).await;
        assert_eq!(problem(&store).await, Some(SchemaProblem::Missing));
        let refusal = store.switch().await.unwrap_err();
        assert!(matches!(refusal, StoreError::Schema(SchemaProblem::Missing)), "{refusal:?}");
        let key = SecretString::from("cd".repeat(32));
        assert_eq!(store.migrate(Some(key.clone())).await.unwrap(), Migrated { before: 0, after: VERSION });
        assert_eq!(problem(&store).await, None);
        let installed = store.installation().await.unwrap().payment_id_key;
        assert_eq!(installed.expose_secret(), key.expose_secret());
        close(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_installation_has_a_key_of_its_own() {
    let (first, second) = (Ground::sqlite().await, Ground::sqlite().await);
    let key = async |ground: &Ground| ground.installation().await.unwrap().payment_id_key.expose_secret().to_owned();
    let (first, second) = (key(&first).await, key(&second).await);
    assert_ne!(first, second);
    assert!(first.len() == 64 && first.chars().all(|digit| digit.is_ascii_hexdigit()));
}

/// Table, column, whether it may be NULL.
type Columns = BTreeSet<(String, String, bool)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_end_in_the_same_columns() {
    let (postgres, sqlite) = (Ground::postgres("columns").await, Ground::sqlite().await);
    let Database::Postgres(pools) = postgres.database() else { unreachable!() };
    let on_postgres: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT c.table_name::text, c.column_name::text, c.is_nullable = 'YES' \
         FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) \
         WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&pools.main)
    .await
    .unwrap();
    let Database::Sqlite(pools) = sqlite.database() else { unreachable!() };
    let on_sqlite: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT t.name, c.name, NOT (c.\"notnull\" OR c.pk) FROM sqlite_master t \
         JOIN pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '_sqlx_migrations'",
    )
    .fetch_all(&pools.writer)
    .await
    .unwrap();
    let (on_postgres, on_sqlite) = (Columns::from_iter(on_postgres), Columns::from_iter(on_sqlite));
    assert!(on_postgres.len() > 100, "the tables are there");
    assert_eq!(on_postgres.difference(&on_sqlite).collect::<Vec<_>>(), Vec::<&_>::new(), "only on PostgreSQL");
    assert_eq!(on_sqlite.difference(&on_postgres).collect::<Vec<_>>(), Vec::<&_>::new(), "only on SQLite");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_and_column_says_what_it_is() {
    let ground = Ground::postgres("comments").await;
    let silent = "SELECT coalesce(string_agg(c.relname || '.' || a.attname, ', '), '') FROM pg_class c \
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> '_sqlx_migrations' \
        AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)";
    assert_eq!(ground.text(silent).await.as_deref(), Some(""));
}

/// SQLite keeps times as text: one that would not sort is refused, whoever writes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_refuses_a_time_that_would_not_sort() {
    let ground = Ground::sqlite().await;
    ground.subscribe(&["sub_1"]).await;
    for bad in ["2026-03-01", "2026-03-01 00:00:00", "2026-03-01T00:00:00Z", "2026-02-31T00:00:00.000000Z"] {
        let update = format!("UPDATE subscriptions SET current_period_end = '{bad}'");
        assert!(ground.sql(&update).await.is_err(), "{bad}");
    }
    ground.sql("UPDATE subscriptions SET current_period_end = '2026-03-01T00:00:00.000000Z'").await.unwrap();
}
