//! The command line (being assembled).

pub mod error;
pub mod output;
