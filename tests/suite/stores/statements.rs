//! Every statement, prepared against the tables that it is for; and the twins are twins.

use super::ground::Ground;
use super::on_both;
use renewd::store::sql::{ALL_STATEMENTS, Database};
use sqlx::Executor;

on_both!(every_statement_prepares);

async fn every_statement_prepares(ground: Ground) {
    for statement in ALL_STATEMENTS {
        let refusal = match ground.database() {
            Database::Postgres(pools) => pools.main.prepare(sqlx::SqlStr::from_static(statement.postgres)).await.err(),
            Database::Sqlite(pools) => pools.writer.prepare(sqlx::SqlStr::from_static(statement.sqlite)).await.err(),
        };
        assert!(refusal.is_none(), "{}: {refusal:?}", statement.name);
    }
}

/// A number that one dialect knows and the other does not is a value that one of them ignores.
#[test]
fn twins_take_the_same_parameters() {
    for statement in ALL_STATEMENTS {
        let (postgres, sqlite) = (numbers(statement.postgres), numbers(statement.sqlite));
        assert_eq!(postgres, sqlite, "{}", statement.name);
        assert!((1..).zip(&postgres).all(|(count, number)| count == *number), "{}: {postgres:?}", statement.name);
    }
}

/// The numbers of the parameters, comments left out.
fn numbers(sql: &str) -> std::collections::BTreeSet<u32> {
    let code = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
    code.flat_map(|line| line.split('$').skip(1))
        .filter_map(|after| after.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok())
        .collect()
}
