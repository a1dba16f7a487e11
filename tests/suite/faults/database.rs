//! A few words with PostgreSQL, past the program.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Does these statements; the server's refusal in its own words.
pub async fn execute(url: &str, statements: &str) -> Result<(), String> {
    let mut connection = PgConnection::connect(url).await.map_err(|refusal| refusal.to_string())?;
    let done = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await;
    connection.close().await.expect("a clean goodbye");
    done.map(|_| ()).map_err(|refusal| refusal.to_string())
}

/// The one number of a statement.
pub async fn number(url: &str, statement: &'static str) -> i64 {
    let mut connection = PgConnection::connect(url).await.expect("the running server");
    let number = sqlx::query_scalar(statement).fetch_one(&mut connection).await.expect("a number");
    connection.close().await.expect("a clean goodbye");
    number
}
