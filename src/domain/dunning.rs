//! Stub, replaced.
use chrono::{DateTime, Utc};
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclineClass { Hard, Soft, Transient, Config, Unknown }
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastDecline {
    pub at: DateTime<Utc>,
    pub class: DeclineClass,
}
