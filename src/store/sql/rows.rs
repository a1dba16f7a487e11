//! Rows that several steps send to the database in bulk, and what they read back.

use super::statement::{Param, as_stamp, as_stamp_opt};
use crate::domain::charge::BillingKey;
use crate::domain::claim::{KeyFacts, RenewalChange};
use crate::domain::event::NewEvent;
use crate::domain::ids::{BillingKeyId, EventId, RenewalId, SubscriptionId};
use crate::store::StoreError;
use crate::store::rows::uuid;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Bulk rows as a parameter.
pub(super) fn bulk<T: Serialize>(rows: &[T]) -> Result<Param, StoreError> {
    Param::rows(rows)
        .map_err(|error| StoreError::Refused { step: "a batch of rows", source: sqlx::Error::Encode(Box::new(error)) })
}

/// An id as the database answers it.
#[derive(sqlx::FromRow)]
pub(super) struct IdRow {
    pub id: String,
}

/// The renewals that a statement says it wrote.
pub(super) fn renewal_ids(rows: &[IdRow]) -> Result<Vec<RenewalId>, StoreError> {
    rows.iter().map(|row| uuid("renewals", &row.id).map(RenewalId)).collect()
}

#[derive(Serialize)]
pub(super) struct EventOut<'a> {
    id: EventId,
    kind: &'static str,
    subscription_id: Option<&'a SubscriptionId>,
    renewal_id: Option<RenewalId>,
    attempt_id: Option<crate::domain::ids::AttemptId>,
    dedupe: &'a str,
    payload: &'a serde_json::Value,
    #[serde(serialize_with = "as_stamp")]
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a NewEvent> for EventOut<'a> {
    fn from(event: &'a NewEvent) -> Self {
        Self {
            id: event.id,
            kind: event.kind.as_str(),
            subscription_id: event.subscription_id.as_ref(),
            renewal_id: event.renewal_id,
            attempt_id: event.attempt_id,
            dedupe: &event.dedupe,
            payload: &event.payload,
            created_at: event.created_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ChangeOut<'a> {
    renewal_id: RenewalId,
    from_state: &'static str,
    state: &'static str,
    #[serde(serialize_with = "as_stamp_opt")]
    next_attempt_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "as_stamp_opt")]
    next_look_up_at: Option<DateTime<Utc>>,
    waits_for_key: bool,
    waited_for_key: bool,
    #[serde(serialize_with = "as_stamp_opt")]
    access_until: Option<DateTime<Utc>>,
    review_reason: Option<&'a str>,
    is_open: bool,
}

impl<'a> From<&'a RenewalChange> for ChangeOut<'a> {
    fn from(change: &'a RenewalChange) -> Self {
        Self {
            renewal_id: change.renewal_id,
            from_state: change.from.as_str(),
            state: change.to.as_str(),
            next_attempt_at: change.next_attempt_at,
            next_look_up_at: change.next_look_up_at,
            waits_for_key: change.waits_for_key,
            waited_for_key: change.waited_for_key,
            access_until: change.access_until,
            review_reason: change.review_reason.as_deref(),
            is_open: change.to.is_open(),
        }
    }
}

/// Events as a parameter; `None` where there is nothing to tell.
pub(super) fn events_param<'a>(events: impl Iterator<Item = &'a NewEvent>) -> Result<Option<Param>, StoreError> {
    let rows: Vec<EventOut<'a>> = events.map(EventOut::from).collect();
    if rows.is_empty() { Ok(None) } else { bulk(&rows).map(Some) }
}

/// A billing key within a facts row. No `Debug`: it holds the key.
#[derive(Deserialize)]
pub(super) struct KeyJson {
    id: String,
    billing_key: String,
    channel_key: Option<String>,
    pg_provider: Option<String>,
    state: String,
}

impl From<KeyJson> for KeyFacts {
    fn from(row: KeyJson) -> Self {
        Self {
            id: BillingKeyId(row.id),
            key: BillingKey::new(row.billing_key),
            channel_key: row.channel_key,
            pg_provider: row.pg_provider,
            usable: row.state == "usable",
            is_held: false,
            tries: Vec::new(),
        }
    }
}
