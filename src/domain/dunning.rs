//! Stub, replaced.
use chrono::{DateTime, Utc};
pub use super::decline::DeclineClass;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastDecline {
    pub at: DateTime<Utc>,
    pub class: DeclineClass,
}
