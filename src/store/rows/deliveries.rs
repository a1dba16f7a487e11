//! Events on their way to the sinks.

use super::stamp::as_stamp_opt;
use super::uuid;
use crate::domain::delivery::{NewDelivery, Next, Recorded, Sending, SinkName, Told};
use crate::domain::ids::{EventId, RenewalId, SubscriptionId};
use crate::store::StoreError;
use crate::store::outbox::{DeliveryClaim, DeliveryRow};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

/// An event as it is told.
#[derive(sqlx::FromRow)]
pub struct ToldRow {
    id: String,
    kind: String,
    subscription_id: Option<String>,
    renewal_id: Option<String>,
    #[sqlx(json)]
    payload: serde_json::Value,
    created_at: DateTime<Utc>,
}

impl ToldRow {
    /// # Errors
    /// [`StoreError::Row`] for an id that is none.
    pub fn into_told(self) -> Result<Told, StoreError> {
        let renewal = self.renewal_id.as_deref().map(|id| uuid("events", id)).transpose()?;
        Ok(Told {
            id: EventId(uuid("events", &self.id)?),
            kind: self.kind,
            subscription_id: self.subscription_id.map(SubscriptionId),
            renewal_id: renewal.map(RenewalId),
            payload: self.payload,
            created_at: self.created_at,
        })
    }
}

/// An event that is claimed for one sink.
#[derive(sqlx::FromRow)]
pub struct SendingRow {
    #[sqlx(flatten)]
    told: ToldRow,
    tries: i64,
}

impl SendingRow {
    /// # Errors
    /// As [`ToldRow::into_told`].
    pub fn into_sending(self, claim: &DeliveryClaim) -> Result<Sending, StoreError> {
        let tries = u32::try_from(self.tries).unwrap_or(u32::MAX);
        Ok(Sending { event: self.told.into_told()?, sink: claim.sink, claim: claim.claim, tries })
    }
}

/// A delivery as it is shown.
#[derive(sqlx::FromRow)]
pub struct ShownRow {
    #[sqlx(flatten)]
    told: ToldRow,
    sink: Option<String>,
    state: String,
    tries: i64,
    next_try_at: Option<DateTime<Utc>>,
    note: Option<String>,
    updated_at: Option<DateTime<Utc>>,
}

impl ShownRow {
    /// # Errors
    /// As [`ToldRow::into_told`].
    pub fn into_row(self) -> Result<DeliveryRow, StoreError> {
        Ok(DeliveryRow {
            event: self.told.into_told()?,
            sink: self.sink,
            state: self.state,
            tries: self.tries,
            next_try_at: self.next_try_at,
            note: self.note,
            updated_at: self.updated_at,
        })
    }
}

/// A delivery as it is made.
#[derive(Serialize)]
pub struct NewDeliveryOut<'a> {
    sink: SinkName,
    event_id: EventId,
    subscription_id: Option<&'a SubscriptionId>,
    state: &'static str,
    note: Option<&'a str>,
}

impl<'a> From<&'a NewDelivery> for NewDeliveryOut<'a> {
    fn from(new: &'a NewDelivery) -> Self {
        Self {
            sink: new.sink,
            event_id: new.event_id,
            subscription_id: new.subscription_id.as_ref(),
            state: if new.dropped.is_some() { "dropped" } else { "pending" },
            note: new.dropped.as_deref(),
        }
    }
}

/// How sending ended.
#[derive(Serialize)]
pub struct RecordedOut<'a> {
    sink: SinkName,
    event_id: EventId,
    claim: Uuid,
    state: &'static str,
    #[serde(serialize_with = "as_stamp_opt")]
    next_try_at: Option<DateTime<Utc>>,
    note: Option<&'a str>,
    is_unsent: bool,
}

impl<'a> From<&'a Recorded> for RecordedOut<'a> {
    fn from(recorded: &'a Recorded) -> Self {
        let (state, next_try_at) = recorded.next.state();
        Self {
            sink: recorded.sink,
            event_id: recorded.event_id,
            claim: recorded.claim,
            state,
            next_try_at,
            note: recorded.note.as_deref(),
            is_unsent: matches!(recorded.next, Next::Unsent(_)),
        }
    }
}
