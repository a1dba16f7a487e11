//! One suite for all stores: each check is a promise of the port, and runs on PostgreSQL, on SQLite, and on the store in
//! memory. What is about SQL itself runs on the two databases.

mod access;
mod act;
mod ahead;
mod batches;
mod claim;
mod condition;
mod connections;
mod coverage;
mod deliveries;
mod edges;
mod ground;
mod guards;
mod import;
mod inbox;
mod key_turns;
mod look_ahead;
mod money;
mod outside;
mod plan;
mod races;
mod reconcile;
mod refunds;
mod resolve;
mod schema;
mod search;
mod settle;
mod statements;
mod twins;

/// Runs each check of a file on every store; after `sql:`, on both databases only.
macro_rules! on_all {
    ($($check:ident),+ $(,)? $(; sql: $($of_sql:ident),+ $(,)?)?) => {
        $crate::stores::on_both!($($check,)+ $($($of_sql,)+)?);

        mod in_memory {
            $(#[tokio::test]
            async fn $check() {
                super::$check($crate::stores::ground::Ground::memory().await).await;
            })+
        }
    };
}
use on_all;

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
