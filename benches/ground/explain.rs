//! How PostgreSQL goes about the statements of a run, with the rows and the parameters of that run: `auto_explain` writes
//! each plan into the server's log, and of each statement the one that took longest is shown.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeMap;
use std::path::Path;

/// From now on, for new connections to this database.
pub async fn begin(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut connection).await.unwrap();
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_buffers = on",
        "auto_explain.log_timing = on",
        "auto_explain.log_triggers = on",
        "auto_explain.log_nested_statements = off",
    ] {
        let statement = AssertSqlSafe(format!("ALTER DATABASE {database} SET {setting}"));
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// The plan of each statement of a run when it took longest.
pub fn told(url: &str) -> Vec<String> {
    let folder = url.split("host=").nth(1).expect("a server on a socket");
    let log = std::fs::read_to_string(Path::new(folder).join("log")).unwrap();
    let mut plans: BTreeMap<String, (f64, String)> = BTreeMap::new();
    // An entry begins with its time, and goes on in lines that begin with a tab. What counts the others is not of the run.
    for entry in log.split("\n2").filter(|entry| entry.contains("  plan:") && !entry.contains("pg_stat_")) {
        let (head, text) = entry.split_once("Query Text: ").expect("a statement before its plan");
        let took = head.split("duration: ").nth(1).unwrap_or_default().replace("  plan:", "");
        let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix('\t').unwrap_or(line)).collect();
        // Only a plan tells costs, and from its first line on.
        let plan = lines.iter().position(|line| line.contains("(cost=")).unwrap_or(lines.len());
        let (statement, plan) = lines.split_at(plan);
        let milliseconds = took.trim().trim_end_matches(" ms").parse().unwrap_or(0.0);
        let shown = plans.entry(statement.join("\n")).or_default();
        if milliseconds >= shown.0 {
            *shown = (milliseconds, format!("{}\n    {}", took.trim(), plan.join("\n    ")));
        }
    }
    plans.into_iter().map(|(statement, (_, plan))| format!("{statement}\n{plan}")).collect()
}
