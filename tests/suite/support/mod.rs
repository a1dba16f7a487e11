//! What tests stand on: databases that are empty at the start and gone at the end.

pub mod certificates;
pub mod postgres;
pub mod postgres_proxy;
mod server_programs;
pub mod sqlite;
pub mod strace;
