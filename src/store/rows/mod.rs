//! What all stores read and write alike: rows as they stand in the tables, and the judgements that are made of them under
//! the store's lock (is the lease held, can the row be read).
//!
//! What does not live here: how a row is found or written. That is SQL in `../sql`, and plain Rust in `../memory`.

pub mod actions;
pub mod attempts;
pub mod claimed;
pub mod deliveries;
pub mod found;
pub mod known;
pub mod late;
pub mod look_ahead;
pub mod money;
pub mod notices;
pub mod refunds;
pub mod settled;
pub mod stamp;
pub mod taken;
pub mod told;
pub mod tries;
pub mod writes;

use super::StoreError;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

/// The version of the charging protocol that new attempts are written by.
pub const PROTOCOL_VERSION: i64 = 1;

/// A UUID column.
///
/// # Errors
/// [`StoreError::Row`], if the text is none.
pub fn uuid(table: &'static str, text: &str) -> Result<Uuid, StoreError> {
    Uuid::parse_str(text).map_err(|_| StoreError::Row { table, key: text.to_owned(), problem: "is no UUID".to_owned() })
}

/// Another key would give every renewal another payment id: the gateway could no longer refuse a repeat.
///
/// # Errors
/// [`StoreError::Row`], if a key was given and it is not the one that is kept.
pub fn same_key(given: Option<&SecretString>, kept: &str) -> Result<(), StoreError> {
    if given.is_none_or(|given| given.expose_secret() == kept) {
        return Ok(());
    }
    Err(StoreError::Row {
        table: "installation",
        key: "payment_id_key".to_owned(),
        problem: "holds another key than the one given: use the key that this database was made with, or none"
            .to_owned(),
    })
}
