//! One suite for both databases: each check is a promise of the port, and runs on PostgreSQL and on SQLite.

mod access;
mod claim;
mod connections;
mod edges;
mod ground;
mod import;
mod plan;
mod races;
mod resolve;
mod schema;
mod settle;
mod statements;

/// Runs each check of a file on both databases.
macro_rules! on_both {
    ($($check:ident),+ $(,)?) => {
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check($crate::stores::ground::Ground::postgres(stringify!($check)).await).await;
            })+
        }

        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check($crate::stores::ground::Ground::sqlite().await).await;
            })+
        }
    };
}
use on_both;
