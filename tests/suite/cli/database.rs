//! A look into the tables, past the program.

use crate::support::postgres;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection};
use std::collections::BTreeMap;
use std::path::Path;

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

async fn open(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).connect().await.expect("the SQLite file")
}

async fn column(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let statement = AssertSqlSafe(statement.to_owned());
    sqlx::query_scalar(statement).fetch_all(connection).await.expect("a statement that works")
}

/// The rows of a statement's one text column.
pub fn texts(file: &Path, statement: &str) -> Vec<String> {
    block_on(async {
        let mut connection = open(file).await;
        let texts = column(&mut connection, statement).await;
        connection.close().await.expect("a clean goodbye");
        texts
    })
}

/// Every row of every table, as text.
pub fn tables(file: &Path) -> BTreeMap<String, Vec<String>> {
    block_on(async {
        let mut connection = open(file).await;
        let mut tables = BTreeMap::new();
        let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
        for table in column(&mut connection, names).await {
            let columns = format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')");
            let columns = column(&mut connection, &columns).await.join(" || '|' || ");
            let rows = column(&mut connection, &format!("SELECT {columns} FROM {table} ORDER BY 1")).await;
            tables.insert(table, rows);
        }
        connection.close().await.expect("a clean goodbye");
        tables
    })
}

/// The URL of a new, empty database on the throw-away server.
pub fn on_postgres(name: &str) -> String {
    block_on(postgres::database(name))
}

/// The rows of a statement's one text column.
pub fn texts_of_postgres(url: &str, statement: &str) -> Vec<String> {
    block_on(async {
        let mut connection = PgConnection::connect(url).await.expect("the running server");
        let statement = AssertSqlSafe(statement.to_owned());
        let texts = sqlx::query_scalar(statement).fetch_all(&mut connection).await.expect("a statement that works");
        connection.close().await.expect("a clean goodbye");
        texts
    })
}

/// Does one statement on PostgreSQL; how many rows it changed.
pub fn change_postgres(url: &str, statement: &str) -> u64 {
    block_on(async {
        let mut connection = PgConnection::connect(url).await.expect("the running server");
        let statement = AssertSqlSafe(statement.to_owned());
        let changed = sqlx::query(statement).execute(&mut connection).await.expect("a statement that works");
        connection.close().await.expect("a clean goodbye");
        changed.rows_affected()
    })
}
