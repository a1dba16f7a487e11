//! How PostgreSQL goes about a batch: by the keys of its rows, whatever its statistics say of the tables.
//!
//! Statistics lag behind a run: they may say that few are due, or that few are paid, when all are. A planner that believes
//! them would hold each row of the batch against each of those, and a run would take the square of what is due.

use super::ground::Ground;
use renewd::store::sql::{ALL_STATEMENTS, Database};
use sqlx::{AssertSqlSafe, PgPool, Row};

/// Statements of every batch of a run, with what they are asked.
const BATCHES: [(&str, &str); 9] = [
    ("claim_record", "'[]'"),
    ("settle_facts", "'[]', now()"),
    ("settle_record", "'[]', '[]', now(), '[]', '[]'"),
    ("settle_wake", "'[]', now()"),
    ("give_back", "'[]', now()"),
    ("take_over_record", "'[]', now()"),
    ("late_facts", "now(), 200"),
    ("access_facts", "now(), NULL, NULL, 2000"),
    ("due_facts", "'infinity', NULL, NULL, 2000, NULL, '00000000-0000-0000-0000-000000000000', now()"),
];

/// Each row by its key, or by the time that the statement asks for.
const BY_KEY: [&str; 7] = [
    "subscriptions_pkey",
    "renewals_pkey",
    "renewals_one_per_period",
    "renewals_look_up",
    "attempts_pkey",
    "attempts_one_number",
    "subscriptions_due",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_found_by_its_keys_whatever_the_statistics_say() {
    let ground = Ground::postgres("batches").await;
    let names: Vec<String> = (0..600).map(|number| format!("sub_{number}")).collect();
    ground.subscribed_and_planned(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let Database::Postgres(pools) = ground.database() else { panic!("PostgreSQL") };
    while !ground.claim_all().await.attempts.is_empty() {}
    // Two attempts are open, two renewals are due, two are paid, and the rest is over: so the statistics say.
    let few = |table: &str, state: &str| format!("id IN (SELECT id FROM {table} WHERE state = '{state}' LIMIT 2)");
    for statement in [
        format!("UPDATE attempts SET state = 'not_charged', settled_at = now() WHERE NOT {}", few("attempts", "open")),
        "UPDATE renewals SET state = 'failed', lease_until = NULL".to_owned(),
        format!("UPDATE renewals SET state = 'due' WHERE {}", few("renewals", "failed")),
        format!("UPDATE renewals SET state = 'paid' WHERE {}", few("renewals", "failed")),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&pools.main).await.unwrap();
    }
    sqlx::query("ANALYZE").execute(&pools.main).await.unwrap();
    for (name, asked) in BATCHES {
        let plan = plan(&pools.main, name, asked).await;
        let reads = |line: &&String| {
            [" on renewals", " on attempts", " on subscriptions"].iter().any(|table| line.contains(table))
        };
        for line in plan.iter().filter(reads).filter(|line| line.contains("Scan")) {
            assert!(BY_KEY.iter().any(|index| line.contains(index)), "{name}: {line}\n{plan:#?}");
        }
        assert!(!plan.is_empty() && !plan.iter().any(|line| line.contains("Materialize")), "{name}: {plan:#?}");
    }
}

/// As renewd's own connections have it planned.
async fn plan(pool: &PgPool, name: &str, asked: &str) -> Vec<String> {
    let statement = ALL_STATEMENTS.iter().find(|statement| statement.name == name).unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let prepare = format!("PREPARE batch AS {}", statement.postgres);
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE batch({asked})"));
    let rows = sqlx::query(explain).persistent(false).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE batch").execute(&mut *connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect()
}
