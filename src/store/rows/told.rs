//! Events that a store tells: of its own finding, and of changes that were written.

use crate::domain::claim::RenewalChange;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{EventId, RenewalId, SubscriptionId};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// An event that the store itself finds out about: what it says is a fact of the tables (a period that had moved, a row
/// that cannot be read). Its id follows from what it tells, so that finding it out again tells nothing new.
pub fn review_event(subscription: &SubscriptionId, renewal: RenewalId, reason: &str, now: DateTime<Utc>) -> NewEvent {
    let payload = serde_json::json!({ "reason": reason });
    let kind = EventKind::RenewalReview;
    let digest = digest(kind, renewal, reason);
    let mut event = NewEvent::of_renewal(told_id(&digest, now), kind, (subscription, renewal, None), payload, now);
    // Another reason is another thing to look at, whatever was told of this renewal before.
    event.dedupe = format!("{}:{}", event.dedupe, data_encoding::HEXLOWER.encode(&digest[..8]));
    event
}

fn digest(kind: EventKind, renewal: RenewalId, reason: &str) -> [u8; 32] {
    let parts = Sha256::new().chain_update(kind.as_str()).chain_update(renewal.0.as_bytes());
    parts.chain_update(reason).finalize().into()
}

fn told_id(digest: &[u8; 32], now: DateTime<Utc>) -> EventId {
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    EventId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

/// The events of those changes that were written.
pub fn events_of_written<'a>(changes: &'a [RenewalChange], written: &[RenewalId]) -> Vec<&'a NewEvent> {
    let written: BTreeSet<RenewalId> = written.iter().copied().collect();
    let told = changes.iter().filter(|change| written.contains(&change.renewal_id));
    told.flat_map(|change| &change.events).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reason_is_told_and_the_same_one_once() {
        let (subscription, renewal) = (SubscriptionId::from("sub"), RenewalId(uuid::Uuid::from_u128(1)));
        let now = DateTime::UNIX_EPOCH;
        let told =
            |reason, secs| review_event(&subscription, renewal, reason, now + chrono::TimeDelta::seconds(secs)).dedupe;
        assert_eq!(told("moved", 0), told("moved", 9));
        assert_ne!(told("moved", 0), told("cannot be read", 0));
    }
}
