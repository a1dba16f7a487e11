//! The kill switch, turned by a person: who, when and why stand in the database with it, in one transaction.

use super::restore::is_hold;
use super::status::told;
use crate::domain::action::{ActionKind, Hand, NewAction};
use crate::domain::date::Zone;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{ActionId, EventId};
use crate::store::act::{Act, Doing};
use crate::store::{Paused, Store, StoreError, Switch};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// No new charge starts anywhere from now on; what is under way is settled. Answers how charging was paused before.
///
/// # Errors
/// [`StoreError`]; the switch is then as it was.
pub async fn pause(
    store: &dyn Store,
    new_id: &(dyn Fn() -> Uuid + Sync),
    hand: &Hand,
) -> Result<Option<Paused>, StoreError> {
    let (at, before) = (store.now().await?, store.switch().await?.paused);
    let paused = also_paused(hand, before.as_ref(), at);
    store.act(&turn(Some(paused), before.as_ref(), new_id, hand, at)).await?;
    Ok(before)
}

/// A hold of renewd's own stays its own until a person resumes: money is not given back by rule while it stands.
fn also_paused(hand: &Hand, before: Option<&Paused>, at: DateTime<Utc>) -> Paused {
    let reason = hand.reason.clone().unwrap_or_default();
    match before.filter(|before| is_hold(before)) {
        Some(held) => {
            Paused { reason: format!("{} (and paused by {}: {reason})", held.reason, hand.actor), ..held.clone() }
        }
        None => Paused { at, by: hand.actor.clone(), reason },
    }
}

/// Charging may go on with the next run. Answers how it was paused, if it was.
///
/// # Errors
/// As [`pause`].
pub async fn resume(
    store: &dyn Store,
    new_id: &(dyn Fn() -> Uuid + Sync),
    hand: &Hand,
) -> Result<Option<Paused>, StoreError> {
    let (at, before) = (store.now().await?, store.switch().await?.paused);
    if before.is_some() {
        store.act(&turn(None, before.as_ref(), new_id, hand, at)).await?;
    }
    Ok(before)
}

/// What turning the switch came to, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turned {
    /// Charging is paused now.
    pub paused: bool,
    /// Who turned it.
    pub by: String,
    pub reason: Option<String>,
    /// What that means, in a sentence.
    pub said: String,
}

impl Turned {
    /// What [`pause`] came to, which answered `before`.
    pub fn paused(hand: &Hand, before: Option<&Paused>, zone: Zone) -> Self {
        let said = match before {
            None => "charging is paused; what is under way is settled, and nothing new starts".to_owned(),
            Some(before) => format!("charging stays paused; it was already, {}", told(before, zone)),
        };
        Self { paused: true, by: hand.actor.clone(), reason: hand.reason.clone(), said }
    }

    /// What [`resume`] came to, which answered `before`.
    pub fn resumed(hand: &Hand, before: Option<&Paused>, zone: Zone) -> Self {
        let said = match before {
            Some(before) => format!("charging goes on with the next run; it was paused {}", told(before, zone)),
            None => "charging was not paused".to_owned(),
        };
        Self { paused: false, by: hand.actor.clone(), reason: hand.reason.clone(), said }
    }
}

/// Records what somebody did by hand where the doing itself is a run's, or many transactions.
///
/// # Errors
/// [`StoreError`]; it is not done then either.
pub async fn note(
    store: &dyn Store,
    id: ActionId,
    kind: ActionKind,
    hand: &Hand,
    details: Value,
) -> Result<(), StoreError> {
    let action = NewAction::new(id, kind, hand, store.now().await?).with(details);
    store.act(&Act { action, doing: Doing::Note, events: Vec::new() }).await.map(|_| ())
}

fn turn(
    paused: Option<Paused>,
    before: Option<&Paused>,
    new_id: &dyn Fn() -> Uuid,
    hand: &Hand,
    at: DateTime<Utc>,
) -> Act {
    let (action, event) = match paused {
        Some(_) => (ActionKind::Pause, EventKind::ChargingPaused),
        None => (ActionKind::Resume, EventKind::ChargingResumed),
    };
    let before = before.map(|paused| json!({ "by": paused.by, "at": paused.at, "reason": paused.reason }));
    let details = json!({ "paused_before": before });
    let told = json!({ "by": hand.actor, "reason": hand.reason, "paused_before": before });
    let id = EventId(new_id());
    Act {
        action: NewAction::new(ActionId(new_id()), action, hand, at).with(details),
        doing: Doing::Turn(Switch { paused }),
        events: vec![NewEvent::of_all(id, event, id, told, at)],
    }
}
