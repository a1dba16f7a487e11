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
    let id = told_id(EventKind::RenewalReview, renewal, now);
    NewEvent::of_renewal(id, EventKind::RenewalReview, (subscription, renewal, None), payload, now)
}

fn told_id(kind: EventKind, renewal: RenewalId, now: DateTime<Utc>) -> EventId {
    let digest = Sha256::new().chain_update(kind.as_str()).chain_update(renewal.0.as_bytes()).finalize();
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
