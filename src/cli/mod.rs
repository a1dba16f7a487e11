//! (being written)
pub mod error;
pub mod output;
