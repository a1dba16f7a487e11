//! Stub, replaced.
use serde::{Deserialize, Serialize};
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Currency([u8; 3]);
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad money")]
pub struct MoneyError;
impl Currency {
    pub fn parse(t: &str) -> Result<Self, MoneyError> {
        t.as_bytes().try_into().map(Self).map_err(|_| MoneyError)
    }
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    minor: i64,
    currency: Currency,
}
impl Money {
    pub fn new(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        Ok(Self { minor, currency })
    }
    pub fn minor(&self) -> i64 {
        self.minor
    }
    pub fn currency(&self) -> Currency {
        self.currency
    }
}
