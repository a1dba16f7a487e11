//! The states of one try at charging a renewal.

use serde::{Deserialize, Serialize};

/// Where an attempt stands. At most one attempt of a renewal is `Open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Committed; its outcome is not known yet.
    Open,
    /// The gateway took the money, verified.
    Paid,
    /// The gateway's definite no.
    Declined,
    /// Our configuration or our rules were refused: never the customer's fault.
    Refused,
    /// Proved not to have been charged.
    NotCharged,
}

impl AttemptState {
    pub const ALL: [Self; 5] = [Self::Open, Self::Paid, Self::Declined, Self::Refused, Self::NotCharged];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Declined => "declined",
            Self::Refused => "refused",
            Self::NotCharged => "not_charged",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}
