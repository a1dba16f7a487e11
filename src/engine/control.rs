//! The kill switch, turned by a person: who, when and why stand in the database and among the events.

use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::EventId;
use crate::store::{Paused, Store, StoreError, Switch};
use serde_json::json;

/// No new charge starts anywhere from now on; what is under way is settled. Answers how charging was paused before.
///
/// # Errors
/// [`StoreError`]; the switch is then as it was.
pub async fn pause(store: &dyn Store, id: EventId, by: &str, reason: &str) -> Result<Option<Paused>, StoreError> {
    let (at, before) = (store.now().await?, store.switch().await?.paused);
    let paused = Paused { at, by: by.to_owned(), reason: reason.to_owned() };
    store.set_switch(&Switch { paused: Some(paused) }).await?;
    store.tell(&[turned(id, EventKind::ChargingPaused, (by, reason), before.as_ref(), at)]).await?;
    Ok(before)
}

/// Charging may go on with the next run. Answers how it was paused, if it was.
///
/// # Errors
/// As [`pause`].
pub async fn resume(store: &dyn Store, id: EventId, by: &str, reason: &str) -> Result<Option<Paused>, StoreError> {
    let (at, before) = (store.now().await?, store.switch().await?.paused);
    if before.is_none() {
        return Ok(None);
    }
    // Told first: a switch that is turned on again by nobody is worse than an event too many.
    store.tell(&[turned(id, EventKind::ChargingResumed, (by, reason), before.as_ref(), at)]).await?;
    store.set_switch(&Switch { paused: None }).await?;
    Ok(before)
}

fn turned(
    id: EventId,
    kind: EventKind,
    (by, reason): (&str, &str),
    before: Option<&Paused>,
    at: chrono::DateTime<chrono::Utc>,
) -> NewEvent {
    let before = before.map(|paused| json!({ "by": paused.by, "at": paused.at, "reason": paused.reason }));
    NewEvent {
        id,
        kind,
        subscription_id: None,
        renewal_id: None,
        attempt_id: None,
        dedupe: format!("{}:{id}", kind.as_str()),
        payload: json!({ "by": by, "reason": reason, "paused_before": before }),
        created_at: at,
    }
}
