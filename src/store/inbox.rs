//! The part of the port that keeps what the gateway told by itself, until somebody has looked.
//!
//! A claim is a lease as well: whoever's time is up may record nothing.

use super::StoreError;
use crate::domain::ids::BillingKeyId;
use crate::domain::notice::{Kept, KeyHeard, Keyless, Notice, Outcome};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// What hearing billing keys changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysHeard {
    /// They can be charged again.
    pub back: Vec<BillingKeyId>,
    /// Nothing is left to charge for these.
    pub keyless: Vec<Keyless>,
}

#[async_trait]
pub trait Inbox: Send + Sync {
    /// Keeps messages, each once, however often it is delivered; answers the ids of those that are new. One about a billing
    /// key that is not stored here is not kept.
    async fn keep_notices(&self, notices: &[Notice]) -> Result<Vec<String>, StoreError>;

    /// Claims what is to be looked into now, the longest waiting first.
    async fn claim_notices(&self, rows_max: u32, lease: Duration) -> Result<Vec<Kept>, StoreError>;

    /// Records what became of them, each only under its claim.
    async fn record_notices(&self, outcomes: &[Outcome]) -> Result<(), StoreError>;

    /// Forgets messages that are over and came before then; answers how many.
    async fn forget_notices(&self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;

    /// Marks billing keys as the gateway has them. The same twice changes nothing, and answers the same keyless.
    async fn hear_keys(&self, heard: &[KeyHeard]) -> Result<KeysHeard, StoreError>;
}
